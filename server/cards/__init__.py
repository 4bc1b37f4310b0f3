"""Cards: the plastic, its credentials, and the one table of its legal states."""
