"""How differently a model treats groups of people, and how sure that is."""
