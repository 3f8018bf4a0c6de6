"""How sure a rate is."""
