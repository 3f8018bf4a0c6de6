"""Whether a report agrees with itself, and what older ones leave to be told from their words."""
