"""The doctor's look at the audit log: is it sealed, do the newest rows say what was sealed, who witnessed it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cardcore import merkle
from cardcore.checkpoint import read_checkpoint
from server.audit import tree_repository as tree
from server.audit.export import content_of
from server.cli.findings import Finding, Level
from server.database import ReadSession
from server.secrets_file import SecretsFileError, load_secrets
from server.settings import Settings
from server.system import System

SEALS_LATE = timedelta(minutes=1)
ROWS_LOOKED_AT = 10_000
"""Newest rows that are compared with their seals; `onecard verify-audit` compares all."""
MAX_NAMED = 20


def check_audit(session: ReadSession, settings: Settings, system: System) -> Iterator[Finding]:
    """Yield what waits for its seal, what differs from it, and how far the witnesses are."""
    waiting, oldest = tree.waiting_since(session)
    is_late = oldest is not None and system.clock.now() - oldest > SEALS_LATE
    yield Finding("audit", Level.TROUBLE if is_late else Level.FINE, f"{waiting} rows wait for their seal")
    newest = tree.newest_checkpoint(session)
    if newest is None:
        return
    size = int(newest["size"])
    if (settings.data_dir / "server.key").exists():
        yield from _signature(settings, system, newest["note"])
    differing = [
        int(row["number"])
        for rows in tree.leaves(session, size, max(0, size - ROWS_LOOKED_AT))
        for row in rows
        if merkle.leaf_hash(content_of(row).encode()) != bytes(row["hash"])
    ]
    named = ", ".join(map(str, differing[:MAX_NAMED]))
    detail = f"{len(differing)} rows are not what was sealed: {named}" if differing else f"{size} rows sealed"
    yield Finding("audit", Level.TROUBLE if differing else Level.FINE, detail)
    active = [row for row in tree.witnesses(session) if row["state"] == "active"]
    saw = "; ".join(f"{row['name']}: {row['size']}" for row in active[:MAX_NAMED])
    yield Finding("audit", Level.FINE if active else Level.NOTE, f"rows witnessed by device: {saw or 'none'}")


def _signature(settings: Settings, system: System, note: str) -> Iterator[Finding]:
    try:
        key = load_secrets(settings.data_dir, system.ids).identity_public
    except SecretsFileError:
        return  # told by `check_secrets`
    if read_checkpoint(note, key) is None:
        yield Finding("audit", Level.TROUBLE, "the newest checkpoint is not signed with this server.key")
