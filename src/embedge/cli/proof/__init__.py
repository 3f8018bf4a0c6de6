"""Commands that measure and judge."""
