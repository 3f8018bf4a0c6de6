"""What joins a bundle after it was made: engines of this device, a face detector."""
