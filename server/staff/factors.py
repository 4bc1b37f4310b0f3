"""Second factors: an authenticator app, recovery codes, and the sign-in that waits for one of them.

A code is looked at with the member of staff locked, so that tries at the same time are counted one by one. A code, a
step and a recovery code work once (ASVS 6.5.1). Passkeys are `server.staff.passkeys`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import SiteId, StaffId
from server.audit.service import Deed, record, staff_actor
from server.database import ReadSession, WriteSession
from server.secrets_file import ServerSecrets
from server.staff import factor_repository as rows
from server.staff import repository, totp
from server.staff.service import ACTIVE, StaffView, view_of
from server.staff.sign_in import WINDOW, token_hash
from server.system import System

RECOVERY_CODES = 10
RECOVERY_SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U."""
RECOVERY_LENGTH = 16
"""80 bits (ASVS 6.5.4 asks for 20)."""
MAX_FACTORS = 10
MAX_CODE_CHARACTERS = 40
TRIES = 5
"""Wrong codes within the window of sign-ins, after which none is looked at."""
PENDING_LIFE = timedelta(minutes=10)
"""How long a password that was right waits for its second step."""


class FactorKind(StrEnum):
    """What proves somebody besides the password."""

    TOTP = "totp"
    PASSKEY = "passkey"


class FactorRefusal(StrEnum):
    """Why a factor was not taken, used or removed."""

    WRONG_CODE = "wrong_code"
    THROTTLED = "throttled"
    NOT_BEGUN = "not_begun"
    TOO_MANY = "too_many"
    NOT_FOUND = "not_found"
    UNUSABLE = "unusable"
    """A passkey's answer that does not prove what it should."""


@dataclass(frozen=True, slots=True)
class FactorView:
    """A factor as its owner sees it."""

    id: UUID
    kind: FactorKind
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in whose password was right and that is not through yet."""

    staff: StaffView
    waits_for: str
    """`factor` or `password`."""
    must_set_password: bool


def pending(session: ReadSession | WriteSession, site_id: SiteId, token: str, now: datetime) -> Pending | None:
    """Return the sign-in that a token stands for, while it is on its way."""
    row = rows.pending(session, token_hash(token), now - PENDING_LIFE)
    if row is None or row["site_id"] != site_id or row["state"] != ACTIVE:
        return None
    return Pending(view_of(row), row["pending"], row["must_set_password"])


def held(session: ReadSession | WriteSession, staff_id: StaffId) -> Sequence[FactorView]:
    """Return the factors in use."""
    return tuple(
        FactorView(row["id"], FactorKind(row["kind"]), row["name"], row["created_at"], row["used_at"])
        for row in rows.confirmed(session, staff_id)
    )


def codes_left(session: ReadSession, staff_id: StaffId) -> int:
    """Return how many recovery codes are left."""
    return rows.codes_left(session, staff_id)


def begin_totp(session: WriteSession, system: System, secrets: ServerSecrets, staff_id: StaffId) -> bytes:
    """Return the secret of an authenticator app to set up; it counts once a code of it was typed."""
    repository.lock(session, staff_id)
    waiting = rows.waiting_totp(session, staff_id)
    if waiting is not None:
        return _opened(secrets, waiting)
    factor_id, secret = system.ids.uuid7(), system.ids.random_bytes(totp.SECRET_BYTES)
    row = {
        "id": factor_id,
        "staff_id": staff_id,
        "kind": FactorKind.TOTP,
        "name": "",
        "sealed": secrets.seal(secret, factor_id.bytes),
        "credential_id": None,
        "public_key": None,
        "sign_count": 0,
        "created_at": system.clock.now(),
        "confirmed_at": None,
    }
    rows.insert(session, row)
    return secret


def confirm_totp(
    session: WriteSession, system: System, secrets: ServerSecrets, site_id: SiteId, staff_id: StaffId, code: str
) -> Sequence[str] | FactorRefusal:
    """Put the authenticator app into use by a first code; returns recovery codes, which are shown this once."""
    repository.lock(session, staff_id)
    waiting = rows.waiting_totp(session, staff_id)
    if waiting is None:
        return FactorRefusal.NOT_BEGUN
    if len(rows.confirmed(session, staff_id)) >= MAX_FACTORS:
        return FactorRefusal.TOO_MANY
    now = system.clock.now()
    if _is_throttled(session, staff_id, now):
        return FactorRefusal.THROTTLED
    step = totp.matching_step(_opened(secrets, waiting), _plain(code), now, 0)
    if step is None:
        repository.add_try(session, [_key(staff_id)], now, now - WINDOW)
        return FactorRefusal.WRONG_CODE
    rows.confirm(session, waiting["id"], now, step)
    _tell(session, system, site_id, staff_id, "factor_added", FactorKind.TOTP)
    return new_codes(session, system, site_id, staff_id)


def new_codes(session: WriteSession, system: System, site_id: SiteId, staff_id: StaffId) -> Sequence[str]:
    """Make recovery codes, which end all earlier ones; shown this once."""
    codes = [_recovery_code(system) for _ in range(RECOVERY_CODES)]
    rows.replace_codes(session, staff_id, [_hash(code) for code in codes])
    _tell(session, system, site_id, staff_id, "recovery_codes_made", "")
    return tuple(codes)


def check(
    session: WriteSession, system: System, secrets: ServerSecrets, site_id: SiteId, staff_id: StaffId, code: str
) -> FactorRefusal | None:
    """Check a code of an authenticator app, or a recovery code, and use it up."""
    if repository.lock(session, staff_id) is None:
        return FactorRefusal.WRONG_CODE
    now = system.clock.now()
    if _is_throttled(session, staff_id, now):
        return FactorRefusal.THROTTLED
    plain = _plain(code)[:MAX_CODE_CHARACTERS]
    for factor in rows.confirmed(session, staff_id):
        if factor["kind"] != FactorKind.TOTP:
            continue
        step = totp.matching_step(_opened(secrets, factor), plain, now, factor["last_step"])
        if step is not None:
            rows.note_use(session, factor["id"], now, step, factor["sign_count"])
            return None
    if rows.spend_code(session, staff_id, _hash(plain), now):
        _tell(session, system, site_id, staff_id, "recovery_code_used", "")
        return None
    repository.add_try(session, [_key(staff_id)], now, now - WINDOW)
    _tell(session, system, site_id, staff_id, "second_factor_refused", "")
    return FactorRefusal.WRONG_CODE


def remove(
    session: WriteSession, system: System, site_id: SiteId, staff_id: StaffId, factor_id: UUID
) -> FactorRefusal | None:
    """Remove one of one's own factors; the caller has asked for a fresh proof."""
    row = rows.delete(session, staff_id, factor_id)
    if row is None:
        return FactorRefusal.NOT_FOUND
    _tell(session, system, site_id, staff_id, "factor_removed", row["kind"])
    return None


def _opened(secrets: ServerSecrets, factor: RowMapping) -> bytes:
    return secrets.open(bytes(factor["sealed"]), factor["id"].bytes)


def _is_throttled(session: WriteSession, staff_id: StaffId, now: datetime) -> bool:
    return len(repository.tries(session, _key(staff_id), now - WINDOW)) >= TRIES


def _tell(session: WriteSession, system: System, site_id: SiteId, staff_id: StaffId, action: str, kind: str) -> None:
    actor = staff_actor(staff_id)
    record(session, system, site_id, Deed(actor, action, actor, after={"kind": kind} if kind else None))


def _recovery_code(system: System) -> str:
    drawn = system.ids.random_bytes(RECOVERY_LENGTH)
    symbols = "".join(RECOVERY_SYMBOLS[byte % len(RECOVERY_SYMBOLS)] for byte in drawn)
    return "-".join(symbols[start : start + 4] for start in range(0, RECOVERY_LENGTH, 4))


def _plain(code: str) -> str:
    return code.upper().replace(" ", "").replace("-", "")


def _hash(code: str) -> bytes:
    return hashlib.sha256(_plain(code).encode()).digest()


def _key(staff_id: StaffId) -> str:
    return f"factor:{staff_id}"
