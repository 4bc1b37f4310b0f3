"""Canteen policy: meal periods, prices and `authorise`, the one rule for charging a meal on both sides."""
