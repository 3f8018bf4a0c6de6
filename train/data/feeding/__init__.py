"""From stored pictures to batches, in the order of the steps."""
