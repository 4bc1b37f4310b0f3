"""Two pairs of eyes: one person asks for an operation, another person approves it, and it is done once."""
