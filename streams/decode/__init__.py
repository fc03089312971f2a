"""Record bytes to readings, by column; what cannot be read becomes a reject with a named reason."""
