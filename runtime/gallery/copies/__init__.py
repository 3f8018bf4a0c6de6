"""A whole gallery made beside another: where it is made, and how it gets its name."""
