"""The close of a business day: what must be equal, what is not (findings), and the day frozen in one row (C66-C69)."""
