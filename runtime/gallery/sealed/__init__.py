"""People, templates and notes as sealed rows, and the sum that misses none of them."""
