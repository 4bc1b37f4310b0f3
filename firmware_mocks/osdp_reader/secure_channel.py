"""The reader's end of the secure channel: handshake and session (OSDP 2.2 annex D).

Knows keys and cryptograms; what may be said in clear text is decided in `reader`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from firmware_mocks.system import RandomBytes
from reader_daemon.protocols.osdp import replies
from reader_daemon.protocols.osdp.codes import KEY_DEFAULT, KEY_OWN, NakReason, SecurityBlock
from reader_daemon.protocols.osdp.commands import Challenge, ServerCryptogram
from reader_daemon.protocols.osdp.crypto import (
    DEFAULT_KEY,
    NONCE_BYTES,
    Role,
    SecureSession,
    SessionKeys,
    client_cryptogram,
    derive_session_keys,
    full_mac,
    initial_r_mac,
    same,
    server_cryptogram,
)
from reader_daemon.protocols.osdp.frames import MAC_BYTES, Frame, authenticated_part


@dataclass(frozen=True, slots=True, repr=False)
class _Handshake:
    key_number: int
    keys: SessionKeys
    rnd_a: bytes
    rnd_b: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to a handshake step with the security block it goes under."""

    reply: replies.Reply
    block_type: int | None = None
    block_data: bytes = b""


class SecureChannel:
    """One reader's key, running handshake and session."""

    def __init__(self, unique_id: bytes, scbk: bytes | None, random_bytes: RandomBytes, *, install_mode: bool) -> None:
        """Begin without a session."""
        self.scbk = scbk
        self.install_mode = install_mode
        self._unique_id = unique_id
        self._random_bytes = random_bytes
        self._handshake: _Handshake | None = None
        self._session: SecureSession | None = None
        self._keys: SessionKeys | None = None
        self.key_number: int | None = None
        """Which key the session runs under: `codes.KEY_OWN`, `codes.KEY_DEFAULT`, None without one."""

    @property
    def is_active(self) -> bool:
        """Say whether a session is up."""
        return self._session is not None

    def drop(self) -> None:
        """Forget session and handshake."""
        self._handshake = self._session = self._keys = self.key_number = None

    def challenge(self, command: Challenge, block_data: bytes, *, answer_default: bool = False) -> Answer:
        """Answer CHLNG. `answer_default` is the fault of a reader that takes SCBK-D whatever was asked."""
        self.drop()
        key_number = KEY_DEFAULT if answer_default else (block_data[0] if len(block_data) == 1 else -1)
        key = self._key_for(key_number, forced=answer_default)
        if key is None:
            return Answer(replies.Nak(NakReason.SECURE_CHANNEL_UNSUPPORTED))
        rnd_b = self._random_bytes(NONCE_BYTES)
        keys = derive_session_keys(key, command.rnd_a)
        self._handshake = _Handshake(key_number, keys, command.rnd_a, rnd_b)
        cryptogram = client_cryptogram(keys, command.rnd_a, rnd_b)
        reply = replies.ClientCryptogram(self._unique_id, rnd_b, cryptogram)
        return Answer(reply, SecurityBlock.SCS_12, bytes((key_number,)))

    def prove(self, command: ServerCryptogram, block_data: bytes) -> Answer:
        """Answer SCRYPT; a session is up afterwards if the answer is RMAC_I."""
        shake, self._handshake = self._handshake, None
        if shake is None or block_data != bytes((shake.key_number,)):
            return Answer(replies.Nak(NakReason.SECURITY_CONDITIONS))
        if not same(command.cryptogram, server_cryptogram(shake.keys, shake.rnd_a, shake.rnd_b)):
            return Answer(replies.Nak(NakReason.SECURE_CHANNEL_UNSUPPORTED))
        r_mac = initial_r_mac(shake.keys, command.cryptogram)
        self._session = SecureSession(Role.READER, shake.keys, r_mac)
        self._keys = shake.keys
        self.key_number = shake.key_number
        return Answer(replies.InitialRMac(r_mac), SecurityBlock.SCS_14, bytes((KEY_OWN,)))

    def unseal(self, frame: Frame) -> Frame:
        """Check and decrypt a command. Needs a session; raises crypto.SecurityFaultError."""
        return self._running().unseal(frame)

    def seal(self, frame: Frame) -> Frame:
        """Protect a reply and move the chain. Needs a session."""
        return self._running().seal(frame)

    def seal_aside(self, frame: Frame) -> Frame:
        """Protect a reply as `seal` would, without moving the chain: for faulty copies of a reply."""
        return copy.copy(self._running()).seal(frame)

    def seal_without_encryption(self, frame: Frame) -> Frame:
        """Authenticate a reply with data under SCS_16, a fault; the chain stays where it is."""
        session, keys = self._running(), self._keys
        assert keys is not None  # set together with the session
        bare = replace(frame, block_type=SecurityBlock.SCS_16)
        return replace(bare, mac=full_mac(keys, session.c_mac, authenticated_part(bare))[:MAC_BYTES])

    def set_key(self, scbk: bytes) -> None:
        """Take a new key, which ends install mode. The session goes on until dropped."""
        self.scbk = scbk
        self.install_mode = False

    def _key_for(self, key_number: int, *, forced: bool) -> bytes | None:
        if key_number == KEY_OWN:
            return self.scbk
        if key_number == KEY_DEFAULT and (self.install_mode or forced):
            return DEFAULT_KEY
        return None

    def _running(self) -> SecureSession:
        if self._session is None:
            msg = "no session is up"
            raise RuntimeError(msg)
        return self._session
