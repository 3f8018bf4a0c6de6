"""The shape of a head, and the rays that meet it."""
