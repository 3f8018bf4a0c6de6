"""How artifacts are proven, whether they were distilled or made from a network that was there."""
