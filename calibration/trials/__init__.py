"""What models are put to: each trial embeds its faces, scores them and checks its own data."""
