"""Whether a bridge may carry a gallery: evidence, verdict, and what it gives an attacker."""
