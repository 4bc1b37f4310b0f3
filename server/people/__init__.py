"""People: cardholders, their departments and their categories."""
