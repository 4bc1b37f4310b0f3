"""Passwords: what is accepted, and argon2id over it (ASVS 6.2, NIST SP 800-63B-4 section 3.1.1). Stores nothing."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cardcore.ids import IdSource

MIN_CHARACTERS = 15
"""A password that is the only factor."""
MAX_CHARACTERS = 256
MIN_DIFFERENT_CHARACTERS = 6
SALT_BYTES = 16

MEMORY_KIB = 19_456
TIME_COST = 2
LANES = 1
"""OWASP's argon2id setting for 19 MiB; about 30 ms on one core."""

TOO_COMMON = frozenset(
    {
        "passwordpassword",
        "password12345678",
        "123456789012345",
        "1234567890123456",
        "qwertyuiopasdfgh",
        "qwertyuiop123456",
        "administrator123",
        "onecardonecardonecard",
        "letmeinletmeinletmein",
        "iloveyouiloveyou",
    }
)
"""Long enough, and tried first by everybody."""


class Passwords:
    """Makes and checks password hashes, in the same time whether a login exists or not."""

    def __init__(
        self, ids: IdSource, *, memory_kib: int = MEMORY_KIB, time_cost: int = TIME_COST, lanes: int = LANES
    ) -> None:
        """Take the source of salts, and the cost; tests lower it."""
        self._ids = ids
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=lanes)
        self._nobody = self.hash(ids.random_bytes(SALT_BYTES).hex())

    def hash(self, password: str) -> str:
        """Return the PHC string to store."""
        return self._hasher.hash(password, salt=self._ids.random_bytes(SALT_BYTES))

    def matches(self, stored: str | None, password: str) -> bool:
        """Check a password. Without a stored hash the same work is done for nothing, and the answer is no."""
        try:
            self._hasher.verify(self._nobody if stored is None else stored, password[:MAX_CHARACTERS])
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None


def password_problem(password: str, login: str) -> str | None:
    """Return what is wrong with a new password in words, or None. No rules of composition."""
    if len(password) < MIN_CHARACTERS:
        return f"a password has at least {MIN_CHARACTERS} characters"
    if len(password) > MAX_CHARACTERS:
        return f"a password has at most {MAX_CHARACTERS} characters"
    if len(set(password.lower())) < MIN_DIFFERENT_CHARACTERS or password.lower() in TOO_COMMON:
        return "this password is too easy to guess"
    if login.lower() in password.lower():
        return "a password does not contain the login"
    return None
