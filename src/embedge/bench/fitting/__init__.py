"""Networks of many shapes, and how long a device takes for each."""
