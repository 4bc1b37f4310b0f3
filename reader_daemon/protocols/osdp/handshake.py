"""One secure-channel handshake from the panel's end (SIA OSDP 2.2 annex D): CHLNG, CCRYPT, SCRYPT, RMAC_I.

Both answers are checked: the reader's cryptogram, and the initial R-MAC, which is computed and compared. Which key is
used and what follows from a failure is not decided here.
"""

from __future__ import annotations

from enum import StrEnum

from reader_daemon.protocols.osdp import replies
from reader_daemon.protocols.osdp.codes import KEY_DEFAULT, KEY_OWN, SecurityBlock
from reader_daemon.protocols.osdp.commands import Challenge, MalformedDataError, ServerCryptogram
from reader_daemon.protocols.osdp.crypto import (
    Role,
    SecureSession,
    client_cryptogram,
    derive_session_keys,
    initial_r_mac,
    same,
    server_cryptogram,
)
from reader_daemon.protocols.osdp.frames import Frame
from reader_daemon.protocols.osdp.keys import KeyChoice


class HandshakeFault(StrEnum):
    """Why a handshake failed; the value is the kind of the alarm."""

    REFUSED = "handshake_refused"
    """NAK, or an answer that is none."""
    DEFAULT_KEY = "default_key_answer"
    """The reader answered with the public default key."""
    WRONG_KEY = "wrong_key"
    """The reader's cryptogram does not fit: it holds another key, or somebody else answers."""
    WRONG_R_MAC = "wrong_initial_mac"
    """The reader claims success without proving it."""


class Handshake:
    """State of one handshake: the key, RND.A and, after CCRYPT, what RMAC_I must say."""

    def __init__(self, choice: KeyChoice, rnd_a: bytes) -> None:
        """Begin with 8 fresh random bytes."""
        self.choice = choice
        self.challenge = Challenge(rnd_a)
        self.cryptogram: ServerCryptogram | None = None
        self._keys = derive_session_keys(choice.key, rnd_a)
        self._r_mac = b""

    @property
    def block_data(self) -> bytes:
        """SCB data of SCS_11 and SCS_13."""
        return bytes((self.choice.kind,))

    def take_client_cryptogram(self, frame: Frame) -> HandshakeFault | None:
        """Check CCRYPT; on success `cryptogram` is what to send under SCS_13."""
        reply = _decoded(frame)
        if not isinstance(reply, replies.ClientCryptogram) or frame.block_type != SecurityBlock.SCS_12:
            return HandshakeFault.REFUSED
        if frame.block_data != self.block_data:
            answered_default = frame.block_data == bytes((KEY_DEFAULT,))
            return HandshakeFault.DEFAULT_KEY if answered_default else HandshakeFault.REFUSED
        rnd_a = self.challenge.rnd_a
        if not same(client_cryptogram(self._keys, rnd_a, reply.rnd_b), reply.cryptogram):
            return HandshakeFault.WRONG_KEY
        self.cryptogram = ServerCryptogram(server_cryptogram(self._keys, rnd_a, reply.rnd_b))
        self._r_mac = initial_r_mac(self._keys, self.cryptogram.cryptogram)
        return None

    def take_initial_r_mac(self, frame: Frame) -> SecureSession | HandshakeFault:
        """Check RMAC_I and return the session."""
        reply = _decoded(frame)
        if not isinstance(reply, replies.InitialRMac) or frame.block_type != SecurityBlock.SCS_14:
            return HandshakeFault.REFUSED
        if frame.block_data != bytes((KEY_OWN,)) or not same(reply.r_mac, self._r_mac):
            return HandshakeFault.WRONG_R_MAC
        return SecureSession(Role.PANEL, self._keys, self._r_mac)


def _decoded(frame: Frame) -> replies.Reply | None:
    try:
        return replies.decode_reply(frame.code, frame.data)
    except MalformedDataError:
        return None
