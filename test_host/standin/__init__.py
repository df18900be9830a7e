"""Stand-ins for package archives that a test machine can't reach."""
