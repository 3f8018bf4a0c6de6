"""From photos of people to aligned faces that a training can read."""
