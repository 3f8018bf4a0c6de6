"""The stages of a run, in two halves: learn and ship."""
