"""Patrols: checkpoints in order and time, proven by taps, and an alarm for the one that was missed."""
