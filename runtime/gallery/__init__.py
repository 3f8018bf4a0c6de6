"""Enrolled people in one encrypted file, searched exactly."""
