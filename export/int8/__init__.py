"""INT8: from a float graph and pictures to a Q/DQ graph."""

WEIGHT_BITS = 8
