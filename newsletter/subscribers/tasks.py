"""What workers do for subscribers."""
