"""Losses against a head whose logits are never stored: block by block."""
