"""The SQLite file: transactions, neighbours, failures, and what may be read of its bytes."""
