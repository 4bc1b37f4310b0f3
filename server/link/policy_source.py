"""The policy tables as the link reads them. Implements `server.link.ports.Policy`; each call one transaction."""

from __future__ import annotations

from cardcore.ids import SiteId
from server.database import Database, ReadSession
from server.link.ports import PolicyChanges
from server.policy import repository, service


class PolicySource:
    """Blocking calls; run them off the loop."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    def version(self, site: SiteId) -> int:
        """Return the newest version."""
        return self._database.read(lambda session: service.current_version(session, site))

    def changes(self, site: SiteId, since: int) -> PolicyChanges:
        """Return what changed after `since`, cards first that are refused, with the hash of the result."""

        def call(session: ReadSession) -> PolicyChanges:
            version, items = service.changes_since(session, site, since)
            refused = {f"card/{card.credential}" for card in service.denied(session, site)}
            items.sort(key=lambda item: (item.key not in refused, item.key))
            return PolicyChanges(since, version, repository.state(session, site).content_hash, tuple(items))

        return self._database.read(call, stable=True)
