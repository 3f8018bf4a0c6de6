"""What a recipe would take on GPUs, from rates: predicted, not run."""
