"""Whether the figures of a report are those of its counts."""
