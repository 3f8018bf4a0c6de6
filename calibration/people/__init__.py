"""People rather than comparisons: who does what, how many it takes, who errs most."""
