"""The report: one JSON for machines, one HTML file for people, both from the same dictionary."""
