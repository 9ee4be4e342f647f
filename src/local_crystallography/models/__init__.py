"""Networks and their training: the only folder that imports torch at the top of a file."""
