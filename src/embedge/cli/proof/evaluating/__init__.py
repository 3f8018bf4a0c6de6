"""What the command that evaluates is made of."""
