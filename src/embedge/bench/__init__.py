"""Latency one can sign: a core that knows no model, and the measurements of a bundle."""

SCENARIOS = ("single-stream", "multi-stream", "offline", "server", "sustained")
