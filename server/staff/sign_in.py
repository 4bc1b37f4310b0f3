"""Signing in: throttled by login and by address, in equal time and with one answer whether a login exists or not.

A try is noted before the password is looked at and in a transaction of its own, so that many tries at once count too.
Session tokens are random, stored hashed, and end after idle or absolute time (ASVS 7.1 to 7.4).
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from cardcore.ids import SiteId, StaffId
from server.audit.service import Deed, record, staff_actor
from server.database import Database, ReadSession, WriteSession
from server.staff import repository
from server.staff.passwords import Passwords
from server.staff.service import ACTIVE, MAX_LOGIN, StaffView, view_of
from server.system import System

WINDOW = timedelta(minutes=15)
TRIES_A_LOGIN = 5
TRIES_AN_ADDRESS = 50
"""Tries within the window, after which no password is looked at; an address may be a whole office behind one NAT."""
MAX_CONSECUTIVE_FAILURES = 100
"""Then only a new password helps (SP 800-63B-4 section 3.2.2)."""
TOKEN_BYTES = 32
IDLE_LIMIT = timedelta(minutes=30)
ABSOLUTE_LIMIT = timedelta(hours=12)
TOUCH_EVERY = timedelta(seconds=30)
"""Activity is written down no more often than this."""
MAX_ADDRESS = 64
MAX_AGENT = 200
SESSION_ID_CHARACTERS = 16
WAITS_FOR_FACTOR, WAITS_FOR_PASSWORD = "factor", "password"

log = structlog.get_logger(__name__)


class SignInOutcome(StrEnum):
    """How a try to sign in ended; `REFUSED` covers unknown, wrong and disabled alike: the texts must not tell."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class SignInResult:
    """The outcome, with the member of staff if accepted, or the seconds to wait if throttled."""

    outcome: SignInOutcome
    staff: StaffView | None = None
    retry_after_s: int = 0
    waits_for: str = ""
    """What must come before the session: `factor` (a second one), `password` (a new one), or nothing."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a session begins: what it waits for, and from where."""

    waits_for: str = ""
    address: str = ""
    agent: str = ""


DIRECT = Opening()


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session in force."""

    staff: StaffView
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its owner sees it among the own ones; `id` is the beginning of its token's hash."""

    id: str
    opened_at: datetime
    seen_at: datetime
    address: str
    agent: str
    is_this: bool


@dataclass(frozen=True, slots=True)
class _Try:
    """A try that may go on to the password."""

    at: datetime
    staff_id: UUID | None
    password_hash: str | None
    waits_for: str = ""


class SignIn:
    """The sign-in of one site."""

    def __init__(self, database: Database, system: System, site_id: SiteId, passwords: Passwords) -> None:
        """Take where staff is kept and how passwords are checked."""
        self._database = database
        self._system = system
        self._site_id = site_id
        self._passwords = passwords

    def verify(self, login: str, password: str, address: str) -> SignInResult:
        """Check a password."""
        login, address = login.strip().lower()[:MAX_LOGIN], address[:MAX_ADDRESS]
        begun = self._database.write(lambda session: self._begin(session, login, address))
        if isinstance(begun, int):
            log.info("sign_in_throttled", address=address, retry_after_s=begun)
            return SignInResult(SignInOutcome.THROTTLED, retry_after_s=begun)
        fits = self._passwords.matches(begun.password_hash, password)
        staff = self._database.write(lambda session: self._finish(session, begun, login, address, fits=fits))
        log.info("sign_in_tried", address=address, accepted=staff is not None)
        if staff is None:
            return SignInResult(SignInOutcome.REFUSED)
        return SignInResult(SignInOutcome.ACCEPTED, staff, waits_for=begun.waits_for)

    def open_session(self, staff_id: StaffId, opening: Opening = DIRECT) -> str:
        """Open a session and return its token of 256 random bits; one that waits for something opens nothing yet."""
        token = urlsafe_b64encode(self._system.ids.random_bytes(TOKEN_BYTES)).rstrip(b"=").decode()
        now = self._system.clock.now()
        row = {
            "token_hash": token_hash(token),
            "staff_id": staff_id,
            "now": now,
            "address": opening.address[:MAX_ADDRESS],
            "agent": opening.agent[:MAX_AGENT],
            "pending": opening.waits_for,
        }

        def write(session: WriteSession) -> None:
            repository.delete_expired(session, now, now - IDLE_LIMIT)
            repository.insert_session(session, {**row, "expires_at": now + ABSOLUTE_LIMIT})

        self._database.write(write)
        return token

    def close_session(self, token: str) -> None:
        """End a session; an unknown token is ignored."""
        self._database.write(lambda session: repository.delete_session(session, token_hash(token)))

    def session(self, token: str, *, is_activity: bool) -> SessionView | None:
        """Return the session in force, or None; only activity puts off its idle end."""
        now, hashed = self._system.clock.now(), token_hash(token)
        found = self._database.read(lambda session: self._in_force(session, hashed, now))
        if found is None:
            return None
        view, last_seen_at = found
        if is_activity and now - last_seen_at >= TOUCH_EVERY:
            self._database.write(lambda session: repository.touch_session(session, hashed, now))
        return view

    def _begin(self, session: WriteSession, login: str, address: str) -> _Try | int:
        """Note the try; return it, or the seconds to wait."""
        now = self._system.clock.now()
        repository.lock_tries(session, self._site_id)
        limits = ((_login_key(login), TRIES_A_LOGIN), (_address_key(address), TRIES_AN_ADDRESS))
        for key, limit in limits:
            tries = repository.tries(session, key, now - WINDOW)
            if len(tries) >= limit:
                free_at = tries[len(tries) - limit] + WINDOW
                return max(1, int((free_at - now).total_seconds()))
        repository.add_try(session, [key for key, _ in limits], now, now - WINDOW)
        row = repository.by_login(session, login)
        usable = (
            row is not None
            and row["state"] == ACTIVE
            and row["site_id"] == self._site_id
            and row["failures"] < MAX_CONSECUTIVE_FAILURES
        )
        if row is None or not usable:
            return _Try(now, None, None)
        waits_for = WAITS_FOR_PASSWORD if row["must_set_password"] else ""
        if repository.has_factor(session, row["id"]):
            waits_for = WAITS_FOR_FACTOR
        return _Try(now, row["id"], row["password_hash"], waits_for)

    def _finish(self, session: WriteSession, begun: _Try, login: str, address: str, *, fits: bool) -> StaffView | None:
        row = repository.lock(session, begun.staff_id) if begun.staff_id is not None else None
        if row is None or row["state"] != ACTIVE:
            deed = Deed("unknown", "sign_in_refused", "staff:unknown", after={"address": address})
            record(session, self._system, self._site_id, deed)
            return None
        actor = staff_actor(StaffId(row["id"]))
        if not fits:
            repository.set_failures(session, row["id"], row["failures"] + 1)
            deed = Deed(actor, "sign_in_refused", actor, after={"address": address})
            record(session, self._system, self._site_id, deed)
            return None
        repository.set_failures(session, row["id"], 0)
        repository.forget_try(session, _login_key(login), _address_key(address), begun.at)
        record(session, self._system, self._site_id, Deed(actor, "signed_in", actor, after={"address": address}))
        return view_of(row)

    def _in_force(self, session: ReadSession, hashed: bytes, now: datetime) -> tuple[SessionView, datetime] | None:
        row = repository.session_of(session, hashed)
        if row is None or row["pending"] or row["state"] != ACTIVE or row["site_id"] != self._site_id:
            return None
        if now >= row["expires_at"] or now >= row["last_seen_at"] + IDLE_LIMIT:
            return None
        return SessionView(view_of(row), row["created_at"]), row["last_seen_at"]


def token_hash(token: str) -> bytes:
    """Return what is kept of a session's token."""
    return hashlib.sha256(token.encode()).digest()


def open_sessions(session: ReadSession, staff_id: StaffId, token: str, now: datetime) -> tuple[OpenSession, ...]:
    """Return the sessions in force of a member of staff, newest activity first; `token` is the one that asks."""
    own = token_hash(token)
    return tuple(
        OpenSession(
            bytes(row["token_hash"]).hex()[:SESSION_ID_CHARACTERS],
            row["created_at"],
            row["last_seen_at"],
            row["address"],
            row["agent"],
            bytes(row["token_hash"]) == own,
        )
        for row in repository.sessions_of(session, staff_id, now, now - IDLE_LIMIT)
    )


def end_session(session: WriteSession, system: System, site_id: SiteId, staff_id: StaffId, session_id: str) -> bool:
    """End one of one's own sessions by its id; False if there is none such."""
    if not repository.delete_session_named(session, staff_id, session_id):
        return False
    actor = staff_actor(staff_id)
    record(session, system, site_id, Deed(actor, "session_ended", actor, after={"session": session_id}))
    return True


def end_other_sessions(session: WriteSession, system: System, site_id: SiteId, staff_id: StaffId, token: str) -> int:
    """End all of one's own sessions but the one that asks."""
    count = repository.delete_other_sessions(session, staff_id, token_hash(token))
    actor = staff_actor(staff_id)
    record(session, system, site_id, Deed(actor, "sessions_ended", actor, after={"count": count}))
    return count


def _login_key(login: str) -> str:
    """Return the key of a login's tries; hashed, for people type passwords into the wrong field."""
    return "login:" + hashlib.sha256(login.encode()).hexdigest()


def _address_key(address: str) -> str:
    return f"address:{address}"
