"""The nouns: what steps take and give."""
