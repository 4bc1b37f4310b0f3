"""Where people are, who is inside a zone, and how an operator puts it right."""
