"""Is a network fed as it was trained? The other one knows."""
