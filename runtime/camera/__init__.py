"""Faces in a stream of frames: followed, decided on several frames, told once."""
