"""Teachers that are trained or shaped here."""
