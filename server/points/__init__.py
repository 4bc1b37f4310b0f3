"""Marked points: readers whose taps mean something besides passing, and those taps, each kept once."""
