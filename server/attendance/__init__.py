"""Attendance: first in and last out of a day from passages and clocks, held against a shift."""
