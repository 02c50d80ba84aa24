"""`newsletter run`: everything in one place, started, watched and ended together."""
