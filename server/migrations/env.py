"""Alembic's entry: runs the migrations on the address that `server.database.migrate` was given."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

_engine = create_engine(context.config.attributes["url"])
with _engine.connect() as _connection:
    context.configure(connection=_connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    _connection.commit()
_engine.dispose()
