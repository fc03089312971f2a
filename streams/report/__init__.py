"""Pages and tables to keep and to show."""
