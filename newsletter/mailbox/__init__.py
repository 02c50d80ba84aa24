"""The mail caught in a trial: a mail server, the folder it fills, and pages to read it."""
