"""What INT8 costs and gains, and which layers stay in float for it."""
