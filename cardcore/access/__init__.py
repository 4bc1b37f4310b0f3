"""Access policy: what a snapshot holds, how it changes, and `decide`, the one rule of both sides."""
