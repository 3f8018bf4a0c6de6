"""Stages from a trained student to a bundle with its report."""
