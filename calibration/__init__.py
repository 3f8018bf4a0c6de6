"""What numbers mean: ranges for INT8, thresholds and error rates for decisions."""
