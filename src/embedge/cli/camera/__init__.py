"""Commands that look at a camera."""
