"""The report: one JSON for machines, one HTML file for people, both from one typed report."""
