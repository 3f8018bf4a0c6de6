"""From the numbers of a report to what its page shows: one module per section, no HTML here."""
