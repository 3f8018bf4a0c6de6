"""Documents that are signed: how they are written, read, signed and measured again."""
