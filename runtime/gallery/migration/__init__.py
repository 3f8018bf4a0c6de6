"""A gallery carried from one model to another: on the way, there, back, and for good."""
