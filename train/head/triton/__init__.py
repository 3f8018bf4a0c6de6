"""The pass over the classes on a GPU."""
