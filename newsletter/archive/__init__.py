"""Past issues, for everyone."""
