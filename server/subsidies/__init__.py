"""Money and meals for many at once: subsidies, payroll, bank files, monthly plans; imported, approved, booked once."""
