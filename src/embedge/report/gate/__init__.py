"""Is a report good enough? A policy asks, rule by rule."""
