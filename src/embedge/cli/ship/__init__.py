"""Commands that make artifacts."""
