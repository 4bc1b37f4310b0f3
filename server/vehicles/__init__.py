"""Vehicles: plates and who drives what; garages: how many vehicles are in, counted from passages at their entrances."""
