"""The measure dock: profile across a line, means of regions, displacement vectors."""
