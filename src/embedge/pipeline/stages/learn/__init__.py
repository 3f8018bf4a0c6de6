"""Stages from faces and a teacher to a trained student."""
