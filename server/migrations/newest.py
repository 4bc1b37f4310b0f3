"""Which schema version this software brings. Reads the migration files, not the database."""

from __future__ import annotations

from functools import cache

from alembic.config import Config
from alembic.script import ScriptDirectory

from server.database import MIGRATIONS


@cache
def newest_version() -> str:
    """Return the id of the newest migration."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config).get_current_head() or ""
