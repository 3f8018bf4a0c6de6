"""Teacher to student: data, models, heads, losses, the loop."""
