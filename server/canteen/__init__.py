"""Canteen: stalls, tills, meal periods and tariffs."""
