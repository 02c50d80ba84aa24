"""What workers do to get mail out."""
