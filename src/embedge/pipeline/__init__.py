"""From a recipe to a bundle: the chain of stages."""
