"""Alembic migrations; the SQL stands in files of its own beside them."""
