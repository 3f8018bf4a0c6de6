"""A student's shape from the milliseconds that a device allows."""
