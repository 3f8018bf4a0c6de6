"""An embedder that somebody already has becomes a bundle with its proof; nothing is trained."""
