"""API tokens: a program acts for a member of staff, with some of that member's permissions, until a day.

A token carries 256 random bits behind a recognisable prefix and is shown once; only its hash is kept (ASVS 7.1 to 7.4).
What it may do is asked at every use: its own permissions that its owner still has.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from cardcore.ids import SiteId, StaffId
from server.audit.service import Deed, record, staff_actor
from server.database import ReadSession, WriteSession
from server.staff import service as staff
from server.staff.roles import Permission, Role, permissions_of
from server.system import System
from server.tokens import repository

PREFIX = "onecard_"
TOKEN_BYTES = 32
MAX_TOKEN_CHARACTERS = 64
MAX_NAME = 64
MAX_LIFE = timedelta(days=366)
MAX_HELD = 20
"""Tokens in force of one member of staff."""
MAX_LISTED = 500
USED_EVERY = timedelta(hours=1)
"""Use is written down no more often than this."""


class TokenRefusal(StrEnum):
    """Why a token is not made or ended."""

    NOT_FOUND = "not_found"
    NAME_UNUSABLE = "name_unusable"
    NO_PERMISSION = "no_permission"
    MORE_THAN_OWNER = "more_than_owner"
    TOO_LONG_LIVED = "too_long_lived"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to make."""

    name: str
    permissions: frozenset[Permission]
    life: timedelta


class MadeToken(NamedTuple):
    """A token as made; `text` is shown this once."""

    id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as listed."""

    id: UUID
    name: str
    staff: StaffId
    staff_name: str
    permissions: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token in force stands for, and what it may do now."""

    token: UUID
    site: SiteId
    staff: StaffId
    permissions: frozenset[Permission]
    is_use_noted: bool


def create(
    session: WriteSession, system: System, site_id: SiteId, actor: StaffId, new: NewToken
) -> MadeToken | TokenRefusal:
    """Make a token for oneself."""
    owner = staff.viewed(session, actor, site_id)
    if owner is None:
        return TokenRefusal.NOT_FOUND
    now = system.clock.now()
    refusal = _refusal(new, owner.permissions)
    if refusal is None and repository.count_in_force(session, actor, now) >= MAX_HELD:
        refusal = TokenRefusal.TOO_MANY
    if refusal is not None:
        return refusal
    text = PREFIX + urlsafe_b64encode(system.ids.random_bytes(TOKEN_BYTES)).rstrip(b"=").decode()
    made = MadeToken(system.ids.uuid7(), text)
    permissions = sorted(new.permissions)
    ends = now + new.life
    row = {
        "id": made.id,
        "site_id": site_id,
        "staff_id": actor,
        "name": new.name.strip(),
        "token_hash": _hash(text),
        "permissions": permissions,
        "created_at": now,
        "expires_at": ends,
    }
    repository.insert(session, row)
    after = {"name": row["name"], "permissions": permissions, "expires_at": ends.isoformat()}
    deed = Deed(staff_actor(actor), "api_token_created", f"api_token:{made.id}", after=after)
    record(session, system, site_id, deed)
    return made


def revoke(
    session: WriteSession, system: System, site_id: SiteId, actor: StaffId, token_id: UUID
) -> TokenRefusal | None:
    """End a token at once."""
    row = repository.revoke(session, site_id, token_id, system.clock.now())
    if row is None:
        return TokenRefusal.NOT_FOUND
    deed = Deed(staff_actor(actor), "api_token_revoked", f"api_token:{token_id}", before={"name": row["name"]})
    record(session, system, site_id, deed)
    return None


def listed(session: ReadSession, site_id: SiteId) -> Sequence[TokenView]:
    """Return the newest `MAX_LISTED` tokens of a site, those that ended too."""
    return tuple(
        TokenView(
            row["id"],
            row["name"],
            StaffId(row["staff_id"]),
            row["staff_name"],
            tuple(row["permissions"]),
            row["created_at"],
            row["expires_at"],
            row["revoked_at"],
            row["used_at"],
        )
        for row in repository.of_site(session, site_id, MAX_LISTED)
    )


def bearer(session: ReadSession, text: str, now: datetime) -> Bearer | None:
    """Return whom a token stands for, or None if it is unknown, ended, or its owner is disabled."""
    if not text.startswith(PREFIX) or len(text) > MAX_TOKEN_CHARACTERS:
        return None
    row = repository.by_hash(session, _hash(text))
    if row is None or row["revoked_at"] is not None or row["expires_at"] <= now or row["state"] != staff.ACTIVE:
        return None
    own = permissions_of([Role(role) for role in row["roles"]])
    known = {permission.value for permission in Permission} & set(row["permissions"])
    noted = row["used_at"] is not None and now - row["used_at"] < USED_EVERY
    allowed = own & frozenset(Permission(name) for name in known)
    return Bearer(row["id"], SiteId(row["site_id"]), StaffId(row["staff_id"]), allowed, noted)


def note_use(session: WriteSession, token_id: UUID, now: datetime) -> None:
    """Write down that a token was used."""
    repository.note_use(session, token_id, now)


def _refusal(new: NewToken, own: frozenset[Permission]) -> TokenRefusal | None:
    name = new.name.strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        return TokenRefusal.NAME_UNUSABLE
    if not new.permissions:
        return TokenRefusal.NO_PERMISSION
    if not new.permissions <= own:
        return TokenRefusal.MORE_THAN_OWNER
    if not timedelta() < new.life <= MAX_LIFE:
        return TokenRefusal.TOO_LONG_LIVED
    return None


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
