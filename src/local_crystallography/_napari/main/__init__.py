"""The main dock."""
