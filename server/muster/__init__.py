"""Roll-calls: who was inside, who has reported since, who is missing."""
