"""Enrolling, revoking and knowing devices. One call is one transaction's body; the caller commits.

Refusals are values. Nothing here speaks HTTP or the link's messages.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cardcore.ids import DeviceId, SiteId
from cardcore.journal import GENESIS, Purpose
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.devices import repository
from server.devices.models import (
    CodeProblem,
    DeviceState,
    EnrolledDevice,
    EnrolmentCode,
    EnrolmentProblem,
)
from server.link.ports import KnownDevice, Mark
from server.outbox import repository as outbox
from server.secrets_file import ServerSecrets, WrongKeyError
from server.system import System
from server.taps.arrivals import LinkDevice

CODE_LIFE = timedelta(minutes=15)
CODE_SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U."""
CODE_LENGTH = 20
"""100 bits: nobody guesses one in 15 minutes."""
RECORD_KEY_BYTES = 32
PUBLIC_KEY_BYTES = 32
FEWEST_DISTINCT_BYTES = 8
"""Fewer in a 32-byte key is a placeholder."""
DEVICE_TOPIC = "device"
"""Bus and outbox topic of what changes about devices."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

log = structlog.get_logger(__name__)


def make_code(
    session: WriteSession, system: System, site_slug: str, name: str, purposes: frozenset[Purpose], actor: str
) -> EnrolmentCode | CodeProblem:
    """Make a one-time code for a device of that name; an empty slug means the only site."""
    site = repository.site_by_slug(session, site_slug)
    if site is None:
        return CodeProblem.SITE_UNKNOWN
    if not _NAME.fullmatch(name):
        return CodeProblem.NAME_UNUSABLE
    if not purposes:
        return CodeProblem.PURPOSES_MISSING
    if repository.active_device_named(session, site, name) is not None:
        return CodeProblem.NAME_IN_USE
    symbols = "".join(CODE_SYMBOLS[byte % len(CODE_SYMBOLS)] for byte in system.ids.random_bytes(CODE_LENGTH))
    expires_at = system.clock.now() + CODE_LIFE
    repository.insert_code(session, code_hash(symbols), site, name, sorted(purposes), actor, expires_at)
    deed = Deed(actor, "enrolment_code_made", f"device:{name}", after={"purposes": sorted(purposes)})
    record(session, system, site, deed)
    log.info("enrolment_code_made", name=name, actor=actor)
    shown = "-".join(symbols[start : start + 5] for start in range(0, CODE_LENGTH, 5))
    return EnrolmentCode(shown, name, expires_at)


def code_hash(code: str) -> bytes:
    """Return the stored form of a code, however it was typed: lower case, spaces, O for 0, I or L for 1."""
    plain = code.upper().replace("-", "").replace(" ", "").replace("O", "0").replace("I", "1").replace("L", "1")
    return hashlib.sha256(plain.encode()).digest()


def enrol(
    session: WriteSession,
    system: System,
    secrets: ServerSecrets,
    code: str,
    keys: tuple[bytes, bytes],
    software: str,
) -> EnrolledDevice | EnrolmentProblem:
    """Turn a code into a device; `keys` are its Ed25519 public key and its record key, 32 bytes each.

    A daemon that lost the answer repeats the request and gets the same again.
    """
    public_key, record_key = keys
    at = system.clock.now()
    digest = code_hash(code)
    found = repository.lock_code(session, digest)
    if found is None:
        return EnrolmentProblem.CODE_UNKNOWN
    if not _usable(public_key, record_key):
        return EnrolmentProblem.KEY_UNUSABLE
    site = SiteId(found.site_id)
    holder = repository.device_of_key(session, public_key)
    if found.used_at is not None:
        if holder is None or (holder.site_id, holder.name, holder.state) != (site, found.name, DeviceState.ACTIVE):
            return EnrolmentProblem.CODE_USED
        if not hmac.compare_digest(_opened(secrets, holder.id, holder.record_key_sealed), record_key):
            return EnrolmentProblem.CODE_USED
        return EnrolledDevice(DeviceId(holder.id), site, found.name, secrets.identity_public, is_repeat=True)
    if found.expires_at <= at:
        return EnrolmentProblem.CODE_EXPIRED
    if holder is not None:
        return EnrolmentProblem.KEY_KNOWN
    if repository.active_device_named(session, site, found.name) is not None:
        return EnrolmentProblem.CODE_USED
    device = DeviceId(system.ids.uuid7())
    sealed = secrets.seal(record_key, device.bytes)
    repository.insert_device(session, device, site, found.name, found.purposes, (public_key, sealed), at)
    repository.spend_code(session, digest, at)
    after = {"name": found.name, "public_key": public_key.hex(), "software": software}
    record(session, system, site, Deed(f"device:{device}", "device_enrolled", f"device:{device}", after=after))
    announce(session, system, site, device, "enrolled")
    log.info("device_enrolled", device=str(device), name=found.name, software=software)
    return EnrolledDevice(device, site, found.name, secrets.identity_public)


def revoke(session: WriteSession, system: System, device: DeviceId, actor: str) -> bool:
    """Revoke a device; False when there is no such active device.

    Links close by the event that this leaves in the outbox: {"device": id, "change": "revoked"} under DEVICE_TOPIC.
    """
    revoked = repository.revoke(session, device, system.clock.now())
    if revoked is None:
        return False
    site = SiteId(revoked.site_id)
    record(session, system, site, Deed(actor, "device_revoked", f"device:{device}", after={"name": revoked.name}))
    announce(session, system, site, device, "revoked")
    log.warning("device_revoked", device=str(device), name=revoked.name, actor=actor)
    return True


def known_device(session: ReadSession | WriteSession, secrets: ServerSecrets, device: DeviceId) -> KnownDevice | None:
    """Return a device with its record key opened, revoked ones too. Raises WrongKeyError."""
    row = repository.load(session, device)
    if row is None:
        return None
    link = LinkDevice(
        id=device,
        site=SiteId(row.site_id),
        purposes=frozenset(row.purposes),
        places=frozenset(row.places),
        record_key=_opened(secrets, row.id, row.record_key_sealed),
        revoked_at=row.revoked_at,
    )
    return KnownDevice(link, row.name, bytes(row.public_key))


def open_epoch(session: WriteSession, system: System, device: DeviceId, epoch: int) -> Mark:
    """Return where the server stands in an epoch, registering a new one.

    A new epoch closes the ones before it, with a Finding when there were any; a closed one that comes back is a copy
    of the box or an old disk image, and a Finding too (P2).
    """
    at = system.clock.now()
    site = repository.lock(session, device)
    if site is None:
        msg = f"no device {device}"
        raise LookupError(msg)
    known = repository.epoch(session, device, epoch)
    if known is not None:
        if known.closed_at is not None:
            _find(session, system, site, device, "journal_returned", {"epoch": str(epoch)})
        return Mark(known.acked_through, bytes(known.head_hash))
    closed = repository.close_epochs(session, device, at)
    repository.insert_epoch(session, device, epoch, at)
    if closed:
        detail = {"epoch": str(epoch), "closed": [{"epoch": str(old), "acked_through": mark} for old, mark in closed]}
        _find(session, system, site, device, "journal_replaced", detail)
        log.warning("journal_replaced", device=str(device), closed=len(closed))
    return Mark(0, GENESIS)


def alarm(session: WriteSession, system: System, device: DeviceId, kind: str, detail: dict[str, Any]) -> None:
    """Open a Finding about a device; one of a kind at a time."""
    site = repository.lock(session, device)
    if site is not None:
        _find(session, system, site, device, kind, detail)


def secrets_fit(session: ReadSession, secrets: ServerSecrets) -> bool:
    """Tell whether the key file belongs to this database; true while no device is enrolled."""
    row = repository.any_sealed_key(session)
    if row is None:
        return True
    try:
        _opened(secrets, row.id, row.record_key_sealed)
    except WrongKeyError:
        return False
    return True


def _opened(secrets: ServerSecrets, device: UUID, sealed: bytes) -> bytes:
    return secrets.open(bytes(sealed), device.bytes)


def _usable(public_key: bytes, record_key: bytes) -> bool:
    if len(public_key) != PUBLIC_KEY_BYTES or len(record_key) != RECORD_KEY_BYTES:
        return False
    if min(len(set(public_key)), len(set(record_key))) < FEWEST_DISTINCT_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError:
        return False
    return True


def _find(
    session: WriteSession, system: System, site: SiteId, device: DeviceId, kind: str, detail: dict[str, Any]
) -> None:
    repository.insert_finding(session, system.ids.uuid7(), site, kind, device, detail, system.clock.now())


def announce(session: WriteSession, system: System, site: SiteId, device: DeviceId, change: str) -> None:
    """Tell every process what changed about a device: its link looks anew at what it may do, or closes."""
    outbox.append(session, system, site, DEVICE_TOPIC, {"device": str(device), "change": change})
