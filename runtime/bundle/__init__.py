"""Bundles: what a device loads, sealed, and accounted for byte by byte."""
