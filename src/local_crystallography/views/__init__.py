"""State and images shared by windows and reports, without Qt."""
