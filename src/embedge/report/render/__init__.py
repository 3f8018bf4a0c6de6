"""From a report to its page."""
