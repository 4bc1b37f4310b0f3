"""The reference key source: answers every ask of `asks` over a custody, remembering open sessions for a short while.

It knows the arithmetic and the order of asks. Which asker may use which role is the `allowed` function's to say; audit
and custody belong to whoever wraps it. One instance serves one asker (a device's session, an edge daemon) and one
thread at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from cardcore.card_keys import authenticating
from cardcore.card_keys.asks import (
    MAX_CARD_BYTES,
    MAX_OPEN_SESSIONS,
    SESSION_LIFE_MS,
    Authenticated,
    BeginAuthentication,
    Begun,
    CardMethod,
    CommandToSeal,
    Ended,
    EndSession,
    FinishAuthentication,
    KeyAnswer,
    KeyName,
    KeyPurpose,
    KeyRefusal,
    KeyRefused,
    KeyRequest,
    OpenAnswer,
    Opened,
    SealCommand,
    Sealed,
    SealKeyChange,
)
from cardcore.card_keys.authenticating import OpenAuthentication
from cardcore.card_keys.custody import CardKeyCustody, KeyCipher
from cardcore.card_keys.roles import FACTORY_EPOCH, KeyRole
from cardcore.clock import Clock
from cardcore.desfire.sessions import SecureSession, secure_session
from cardcore.ids import IdSource

HANDLE_BYTES = 16
AES_CARD_KEY = 0x80
"""In the key number of ChangeKey for the card master: the new key is AES."""

READ_ROLES = frozenset(
    {
        KeyRole.GATE_READ,
        KeyRole.GATE_FOREIGN,
        KeyRole.GATE_CHECKER,
        KeyRole.CANTEEN_READ,
        KeyRole.CANTEEN_RECEIPT,
        KeyRole.CANTEEN_AUDIT,
    }
)
"""Roles whose session keys may leave the key source: they change no key and no credential."""

Allowed = Callable[[KeyRole, KeyPurpose], bool]


def reading_only(roles: frozenset[KeyRole]) -> Allowed:
    """Allow READ with these roles and nothing else: what an edge key of a lane is for."""
    return lambda role, purpose: purpose is KeyPurpose.READ and role in roles & READ_ROLES


def everything(role: KeyRole, purpose: KeyPurpose) -> bool:
    """Allow all that the interface allows: READ with reading roles, ISSUE with any."""
    return purpose is KeyPurpose.ISSUE or role in READ_ROLES


@dataclass(slots=True)
class _Session:
    """One dialogue, before or after the card's proof."""

    purpose: KeyPurpose
    opened: OpenAuthentication = field(repr=False)
    began_ms: int
    inside: SecureSession | None = field(default=None, repr=False)
    secure: SecureSession | None = field(default=None, repr=False)


def _refused(refusal: KeyRefusal, detail: str) -> KeyRefused:
    return KeyRefused(refusal, detail)


class KeyAnswers:
    """See the module. Implements `KeySource`."""

    def __init__(self, custody: CardKeyCustody, allowed: Allowed, clock: Clock, ids: IdSource) -> None:
        """Begin without any open session."""
        self._custody = custody
        self._allowed = allowed
        self._clock = clock
        self._ids = ids
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def ask(self, request: KeyRequest) -> KeyAnswer:
        """See `KeySource`."""
        match request:
            case BeginAuthentication():
                return self._begin(request)
            case EndSession(handle):
                self._sessions.pop(handle, None)
                return Ended()
        session = self._sessions.get(request.handle)
        if session is None or self._clock.monotonic_ms() - session.began_ms > SESSION_LIFE_MS:
            answer: KeyAnswer = _refused(KeyRefusal.SESSION_OVER, "no such session")
        elif isinstance(request, FinishAuthentication):
            answer = self._finish(session, request)
        else:
            answer = self._go_on(session, request)
        if isinstance(answer, KeyRefused) or (isinstance(answer, Authenticated) and answer.session is not None):
            self._sessions.pop(request.handle, None)
        return answer

    def _begin(self, request: BeginAuthentication) -> KeyAnswer:
        role, purpose = request.key.role, request.purpose
        if not self._allowed(role, purpose) or (purpose is KeyPurpose.READ and role not in READ_ROLES):
            return _refused(KeyRefusal.NOT_ALLOWED, f"{role} for {purpose}")
        if request.key.epoch == FACTORY_EPOCH and purpose is KeyPurpose.READ:
            return _refused(KeyRefusal.NOT_ALLOWED, "the factory's key opens nothing")
        if len(request.challenge) != authenticating.CHALLENGE_BYTES:
            return _refused(KeyRefusal.BAD_REQUEST, f"challenge of {len(request.challenge)} bytes")
        outer = self._sessions.get(request.inside)
        inside = outer.secure if outer is not None else None
        if request.method in authenticating.INSIDE and inside is None:
            return _refused(KeyRefusal.SESSION_OVER, f"{request.method} outside a session")
        key = self._custody.card_key(request.key, authenticating.CIPHERS.get(request.method, KeyCipher.AES))
        if isinstance(key, KeyRefused):
            return key
        rnd_a = self._ids.random_bytes(authenticating.CHALLENGE_BYTES)
        opened = authenticating.begin(request.method, key, request.challenge, rnd_a)
        handle = self._ids.random_bytes(HANDLE_BYTES)
        while len(self._sessions) >= MAX_OPEN_SESSIONS:
            self._sessions.popitem(last=False)
        self._sessions[handle] = _Session(purpose, opened, self._clock.monotonic_ms(), inside)
        return Begun(handle, opened.token)

    def _finish(self, session: _Session, request: FinishAuthentication) -> KeyAnswer:
        method = session.opened.method
        if session.secure is not None or len(request.proof) != authenticating.PROOF_BYTES[method]:
            return _refused(KeyRefusal.BAD_REQUEST, f"proof of {len(request.proof)} bytes")
        before = session.inside.keys if session.inside is not None else None
        keys = authenticating.finish(session.opened, request.proof, before)
        if keys is None:
            return _refused(KeyRefusal.CARD_NOT_GENUINE, "the card's proof is wrong")
        if session.purpose is KeyPurpose.READ:
            return Authenticated(keys)
        if method is not CardMethod.SM4:
            session.secure = secure_session(keys)
        return Authenticated()

    def _go_on(self, session: _Session, request: SealCommand | SealKeyChange | OpenAnswer) -> KeyAnswer:
        secure = session.secure
        if secure is None:
            return _refused(KeyRefusal.BAD_REQUEST, "the card has not proven itself in this session")
        match request:
            case SealCommand(command=command):
                return _sealed(secure, command)
            case SealKeyChange():
                return self._seal_key_change(secure, request)
            case OpenAnswer(status=status, data=data):
                clear = secure.open(status, data) if len(data) <= MAX_CARD_BYTES else None
                return (
                    _refused(KeyRefusal.CARD_NOT_GENUINE, "answer does not verify") if clear is None else Opened(clear)
                )

    def _seal_key_change(self, secure: SecureSession, request: SealKeyChange) -> KeyAnswer:
        new, version = self._value(request.new), request.new.epoch if request.new is not None else FACTORY_EPOCH
        old = self._value(request.old) if request.old is not None else None
        if isinstance(new, KeyRefused):
            return new
        if isinstance(old, KeyRefused):
            return old
        number = request.number | (AES_CARD_KEY if request.card_level else 0)
        sealed = secure.seal_key_change(number, new, version, old=old, key_set=request.key_set)
        return _refused(KeyRefusal.SESSION_OVER, "session is spent") if sealed is None else Sealed(sealed)

    def _value(self, name: KeyName | None) -> bytes | KeyRefused:
        if name is None:
            return self._ids.random_bytes(authenticating.CHALLENGE_BYTES)
        key = self._custody.card_key(name, KeyCipher.AES)
        return key if isinstance(key, KeyRefused) else key.value()


def _sealed(secure: SecureSession, command: CommandToSeal) -> KeyAnswer:
    if len(command.header) + len(command.data) > MAX_CARD_BYTES:
        return _refused(KeyRefusal.BAD_REQUEST, "command is too long")
    sealed = secure.seal(command)
    return _refused(KeyRefusal.SESSION_OVER, "session is spent") if sealed is None else Sealed(sealed)
