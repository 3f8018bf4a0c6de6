"""Whether a new model may answer to people whom an old one enrolled."""
