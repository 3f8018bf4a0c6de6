"""A page on this machine only, where a person drops two pictures and sees how they are compared."""
