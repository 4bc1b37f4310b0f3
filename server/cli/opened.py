"""What a command works on: the database, started when it is the embedded one, and this host's clock and ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cardcore.ids import SiteId
from server.cli.repository import sites
from server.database import Database, migrate
from server.embedded import embedded_postgres
from server.settings import Settings
from server.system import System, real_system

CLI_ACTOR = "command-line"


class SiteChoiceError(Exception):
    """The site that was named does not exist, or none was named where there are several."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open database at the newest schema."""

    url: str
    database: Database
    system: System

    def site(self, slug: str) -> SiteId:
        """Return the site of a slug; an empty slug means the only one. Raises SiteChoiceError."""
        known = {name: site for site, name in self.database.read(sites)}
        if slug in known:
            return known[slug]
        if not slug and len(known) == 1:
            return next(iter(known.values()))
        names = ", ".join(sorted(known)) or "none yet; `onecard seed` writes one"
        msg = f"there is no site {slug!r}. Sites: {names}" if slug else f"name a site with --site. Sites: {names}"
        raise SiteChoiceError(msg)


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Yield the database's address, running the embedded one for the body where none is set."""
    if settings.database_url:
        yield settings.database_url
        return
    with embedded_postgres(settings.data_dir, settings.wal_archive_dir) as url:
        yield url


@contextmanager
def opened(settings: Settings) -> Iterator[Opened]:
    """Yield the database, migrated."""
    with database_url(settings) as url:
        migrate(url)
        database = Database(url)
        try:
            yield Opened(url, database, real_system())
        finally:
            database.close()
