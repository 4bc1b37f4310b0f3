"""How a holder comes in: a code that the desk shows once, good for minutes and for one use; then a session of its own.

Such a session is no session of staff: it lies in another table, under another cookie, and opens nobody's but the
holder's own things. Tries are counted by address and by number, and a wrong code says nothing about which was wrong.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from datetime import timedelta

from cardcore.ids import PersonId, SiteId, StaffId
from server.audit.service import Deed, record, staff_actor
from server.database import ReadSession, WriteSession
from server.holders import repository
from server.people import repository as people_rows
from server.staff import repository as tries
from server.system import System

CODE_DIGITS = 8
CODE_LIFE = timedelta(minutes=10)
IDLE_LIMIT = timedelta(minutes=30)
ABSOLUTE_LIMIT = timedelta(hours=8)
TOUCH_EVERY = timedelta(seconds=30)
WINDOW = timedelta(minutes=15)
TRIES_A_NUMBER = 5
TRIES_AN_ADDRESS = 50
TOKEN_BYTES = 32
MAX_ADDRESS = 64


def holder_actor(person: PersonId) -> str:
    """Return how the trail names a holder."""
    return f"holder:{person}"


def make_code(session: WriteSession, system: System, site_id: SiteId, maker: StaffId, person: PersonId) -> str | None:
    """Return a new code for a person, whose earlier one ends; None if there is no such person here."""
    if people_rows.get(session, site_id, person) is None:
        return None
    code = f"{int.from_bytes(system.ids.random_bytes(8)) % 10**CODE_DIGITS:0{CODE_DIGITS}d}"
    expires_at = system.clock.now() + CODE_LIFE
    row = {"person_id": person, "site_id": site_id, "code_hash": _hash(code), "expires_at": expires_at}
    repository.put_code(session, row)
    record(session, system, site_id, Deed(staff_actor(maker), "holder_code_made", f"person:{person}"))
    return code


def enter(
    session: WriteSession, system: System, site_id: SiteId, proof: tuple[str, str], address: str
) -> str | timedelta | None:
    """Return a new session's token for (number, code); how long to wait after too many tries; or None."""
    number, code = proof
    now = system.clock.now()
    tries.lock_tries(session, site_id)
    keys = (
        (f"holder:{_hash(number).hex()}", TRIES_A_NUMBER),
        (f"holder-address:{address[:MAX_ADDRESS]}", TRIES_AN_ADDRESS),
    )
    for key, limit in keys:
        before = tries.tries(session, key, now - WINDOW)
        if len(before) >= limit:
            return before[len(before) - limit] + WINDOW - now
    tries.add_try(session, [key for key, _ in keys], now, now - WINDOW)
    person = repository.take_code(session, site_id, number, _hash(code), now)
    if person is None:
        return None
    tries.forget_try(session, keys[0][0], keys[1][0], now)
    repository.forget_old(session, now)
    token = urlsafe_b64encode(system.ids.random_bytes(TOKEN_BYTES)).rstrip(b"=").decode()
    row = {"token_hash": _hash(token), "site_id": site_id, "person_id": person}
    repository.insert_session(session, {**row, "now": now, "expires_at": now + ABSOLUTE_LIMIT})
    record(session, system, site_id, Deed(holder_actor(PersonId(person)), "holder_signed_in", f"person:{person}"))
    return token


def person_of(
    session: ReadSession | WriteSession, system: System, site_id: SiteId, token: str
) -> tuple[PersonId, bool] | None:
    """Return whose session a token is and whether activity is to be noted; None if it is over or none."""
    row, now = repository.session_of(session, site_id, _hash(token)), system.clock.now()
    if row is None or now >= row["expires_at"] or now >= row["last_seen_at"] + IDLE_LIMIT:
        return None
    return PersonId(row["person_id"]), now - row["last_seen_at"] >= TOUCH_EVERY


def note_activity(session: WriteSession, system: System, token: str) -> None:
    """Put the idle end of a session off."""
    repository.touch(session, _hash(token), system.clock.now())


def leave(session: WriteSession, token: str) -> None:
    """End a session; an unknown token is ignored."""
    repository.end(session, _hash(token))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
