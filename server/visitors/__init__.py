"""Visitors: the register, the visit from its announcement to its end, and the pass that dies with it."""
