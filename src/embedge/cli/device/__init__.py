"""Commands of the device: matching faces, keeping a gallery."""
