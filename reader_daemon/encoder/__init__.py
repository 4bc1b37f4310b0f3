"""Encoder mode: a reader that makes cards instead of reading them, one job of the server at a time."""
