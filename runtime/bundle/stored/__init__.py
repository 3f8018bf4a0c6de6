"""Where a bundle's bytes lie, and what they may cost."""
