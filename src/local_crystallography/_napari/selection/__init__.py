"""Commands on the selected atoms."""
