"""Lanes in operation: held open or locked for a time, opened once from afar, and how each stands now (A58)."""
