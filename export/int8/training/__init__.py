"""Training inside the arithmetic of INT8."""
