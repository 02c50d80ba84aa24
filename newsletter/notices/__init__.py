"""One-off mails that are owed."""
