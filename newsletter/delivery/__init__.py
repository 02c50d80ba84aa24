"""Getting it there."""
