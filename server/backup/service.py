"""The database's side of a restore: the new generation, what is missing, what daemons bring back, and the release.

State *restored*: the pages read, uploads are stored and charge, and no tap is granted online, because the database has
forgotten the newest blocked cards. Each daemon brings its list of refused cards; when all that were lately seen have,
or a person says so, policy jumps past every version known and grants begin.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cardcore.access.decide import STATE_REASONS
from cardcore.access.items import CardState
from cardcore.ids import CardId, DeviceId, SiteId
from server.audit.service import SYSTEM_ACTOR, Deed, record
from server.backup import repository
from server.cards import service as cards
from server.cards.transitions import allowed
from server.database import ReadSession, WriteSession
from server.outbox.repository import append
from server.policy.repository import insert_notice
from server.system import System

GENERATION_BYTES = 16
EXPECTED_SEEN = timedelta(days=7)
"""Devices not seen for this long before the backup are not waited for."""
MAX_RETURNED = 1_000
"""Cards of one message of a daemon."""
_STATE_OF_REASON = {str(reason): state for state, reason in STATE_REASONS.items()}

Session = ReadSession | WriteSession


@dataclass(frozen=True, slots=True)
class RestoreStatus:
    """A restore that is not released: when, from what, and which devices are still awaited (by name)."""

    restored_at: datetime
    backup_made_at: datetime
    awaited: tuple[str, ...]


def begin_restored(session: WriteSession, system: System, backup_made_at: datetime) -> str:
    """Give the database a new generation in state *restored* and list what only the lost one knew; return it.

    What may be missing is named as an interval in one Finding a site: web top-ups, edits, issues, approvals.
    """
    now = system.clock.now()
    through = repository.newest_change(session)
    generation = system.ids.random_bytes(GENERATION_BYTES).hex()
    restore = system.ids.uuid7()
    repository.close_open(session, now, "restored again")
    repository.insert_restore(
        session,
        {
            "id": restore,
            "generation": generation,
            "backup_made_at": backup_made_at,
            "complete_through": through,
            "restored_at": now,
        },
    )
    awaited = repository.expect_devices(session, restore, (through or backup_made_at) - EXPECTED_SEEN)
    interval = {"missing_from": (through or backup_made_at).isoformat(), "missing_until": now.isoformat()}
    detail = {**interval, "backup_made_at": backup_made_at.isoformat(), "devices_awaited": awaited}
    for site in repository.sites(session):
        _find(session, system, site, generation, detail)
        deed = Deed(SYSTEM_ACTOR, "installation_restored", f"generation:{generation}", after=detail)
        record(session, system, SiteId(site), deed)
    if not awaited:
        _release(session, system, restore, "no device to wait for")
    return generation


def _find(session: WriteSession, system: System, site: UUID, generation: str, detail: dict[str, object]) -> None:
    repository.insert_finding(
        session,
        {
            "id": system.ids.uuid7(),
            "site": site,
            "kind": "restored",
            "subject": f"generation:{generation}",
            "detail": json.dumps(detail),
            "at": system.clock.now(),
        },
    )


def is_restored(session: Session) -> bool:
    """Tell whether the database is in state *restored*: no online grant, no policy to the edge."""
    return repository.open_restore(session) is not None


def status(session: Session) -> RestoreStatus | None:
    """Return the restore that is not released, or None."""
    found = repository.open_restore(session)
    if found is None:
        return None
    names = tuple(row["name"] for row in repository.waiting_devices(session, found.id))
    return RestoreStatus(found.restored_at, found.backup_made_at, names)


def take_back(session: WriteSession, system: System, device: DeviceId, site: SiteId, refused: Refused) -> list[str]:
    """Refuse again the cards that a device refuses; with its last message count the device as returned.

    Only towards refusal: a card that the database refuses and the device does not stays refused. A credential that the
    database does not know is returned by name: a card issued since, refused as unknown until it is issued again.
    """
    restore = repository.open_restore(session, lock=True)
    if restore is None:
        return []
    reasons = dict(refused.cards[:MAX_RETURNED])
    known = repository.cards_of_keys(session, site, list(reasons))
    for row in known:
        wanted = _STATE_OF_REASON.get(reasons[row["key"]], CardState.SUSPENDED)
        before = CardState(row["state"])
        if before is not CardState.ACTIVE or wanted is CardState.ACTIVE:
            continue
        target = wanted if allowed(before, wanted) else CardState.SUSPENDED
        deed = (f"device:{device}", "refused by the device before the restore")
        cards.change_state(session, system, site, CardId(row["card_id"]), target, deed)
    if refused.last:
        repository.device_returned(session, restore.id, device, system.clock.now(), refused.policy_version)
        if not repository.waiting_devices(session, restore.id):
            _release(session, system, restore.id, "every device has returned")
    return sorted(reasons.keys() - {row["key"] for row in known})


@dataclass(frozen=True, slots=True)
class Refused:
    """A part of what a device refuses: (credential, reason), the highest policy version it knows, whether it is all."""

    cards: Sequence[tuple[str, str]]
    policy_version: int
    last: bool


def release(session: WriteSession, system: System, actor: str, because: str) -> tuple[str, ...] | None:
    """Let grants begin although devices are missing; returns their names, or None when nothing was restored."""
    restore = repository.open_restore(session, lock=True)
    if restore is None:
        return None
    missing = tuple(row["name"] for row in repository.waiting_devices(session, restore.id))
    for site in repository.sites(session):
        deed = Deed(actor, "restore_released", f"generation:{restore.generation}", None, {"missing": missing}, because)
        record(session, system, SiteId(site), deed)
    _release(session, system, restore.id, because)
    return missing


def _release(session: WriteSession, system: System, restore: UUID, because: str) -> None:
    """Jump policy past the highest version any device knew, so that no device calls it older (I14)."""
    now = system.clock.now()
    for row in repository.highest_versions(session, restore):
        version = int(row["version"]) + 1
        repository.jump_policy(session, row["site_id"], version)
        insert_notice(session, system.ids.uuid7(), row["site_id"], version, now)
        append(session, system, SiteId(row["site_id"]), "restore", {"released": because})
    repository.release(session, restore, now, because)
