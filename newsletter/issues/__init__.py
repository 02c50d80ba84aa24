"""What we say: sections, issues, articles, editions."""
