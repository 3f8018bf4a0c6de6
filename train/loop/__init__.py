"""The training loop, and what it keeps, tells and shares."""
