"""From a picture to the aligned crop of one face, or a refusal."""
