"""What `embedge data` does to a data set."""
