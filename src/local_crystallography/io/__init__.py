"""Files in and out: images, sessions, reports."""
