"""The components dock."""
