"""Whom we may say it to."""
