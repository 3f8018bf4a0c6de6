"""Where faces come from: one module per format."""
