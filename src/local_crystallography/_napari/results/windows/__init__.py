"""Window sizes compared."""
