"""The PIN that lets a holder pass a soft limit (C15): argon2id, and blocked after too many wrong ones.

Checked before the tap is decided, in a transaction of its own, so that a wrong one counts whatever becomes of the tap
and the tap path never waits for a hash.
"""

from __future__ import annotations

from cardcore.canteen.limits import Pin
from cardcore.ids import AccountId, CredentialKey, SiteId
from server.audit.service import Deed, record
from server.canteen import charging_repository
from server.database import WriteSession
from server.ledger import repository as ledger_rows
from server.staff.passwords import Passwords
from server.system import System

MAX_FAILURES = 5
"""Wrong PINs in a row after which even the right one proves nothing."""
PIN_DIGITS = range(4, 13)
TOO_EASY = frozenset({"1234", "123456", "12345678"})


def pin_problem(pin: str) -> str | None:
    """Return what is wrong with a new PIN in words, or None."""
    if not pin.isascii() or not pin.isdecimal() or len(pin) not in PIN_DIGITS:
        return f"a PIN has {PIN_DIGITS.start} to {PIN_DIGITS.stop - 1} digits"
    return "this PIN is too easy to guess" if len(set(pin)) == 1 or pin in TOO_EASY else None


def set_pin(
    session: WriteSession, system: System, passwords: Passwords, site_id: SiteId, account_id: AccountId, pin: str,
    actor: str,
) -> str | None:  # fmt: skip
    """Set or reset an account's PIN; return what is wrong, or None. The trail says that, not what it is."""
    problem = pin_problem(pin)
    if problem is None and ledger_rows.account(session, site_id, account_id) is None:
        problem = "there is no such account"
    if problem is not None:
        return problem
    row = {"account_id": account_id, "site_id": site_id, "pin_hash": passwords.hash(pin), "set_at": system.clock.now()}
    charging_repository.upsert_pin(session, row)
    record(session, system, site_id, Deed(actor, "pin_set", f"account:{account_id}"))
    return None


def check_pin(session: WriteSession, passwords: Passwords, site_id: SiteId, credential: CredentialKey, pin: str) -> Pin:
    """Say what a keyed PIN proves for the account behind a credential, and count a wrong one."""
    if not pin:
        return Pin.NONE
    found = charging_repository.lock_pin(session, site_id, credential)
    if found is not None and found["failures"] >= MAX_FAILURES:
        return Pin.BLOCKED
    if passwords.matches(found["pin_hash"] if found is not None else None, pin):
        assert found is not None
        if found["failures"]:
            charging_repository.set_failures(session, found["account_id"], 0)
        return Pin.RIGHT
    if found is not None:
        charging_repository.set_failures(session, found["account_id"], found["failures"] + 1)
    return Pin.WRONG
