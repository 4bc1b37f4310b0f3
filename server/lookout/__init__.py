"""The lookout: what passages and time bring about within seconds, for visits, garages, patrols and roll-calls."""
