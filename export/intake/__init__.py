"""Foreign networks come in: brought to one form, fed as they want it, proven after every step."""
