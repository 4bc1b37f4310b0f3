"""A panel reduced to what tests of the mock reader need: it asks, keeps the sequence, and opens a session.

It has no time-outs and recovers from nothing: the test decides what is sent, and when.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from firmware_mocks.happenings import Happening, Observer, ignore
from firmware_mocks.osdp_reader import OsdpReader, ReaderSettings
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import KEY_DEFAULT, KEY_OWN, SecurityBlock
from reader_daemon.protocols.osdp.crypto import (
    Role,
    SecureSession,
    client_cryptogram,
    derive_session_keys,
    initial_r_mac,
    server_cryptogram,
)
from reader_daemon.protocols.osdp.frames import Frame, FrameSplitter, encode

ADDRESS = 5
KEY = bytes(range(0xA0, 0xB0))
RND_A = bytes(range(8))


def seeded_bytes(seed: int) -> random.Random:
    """Return a source whose `randbytes` replays."""
    return random.Random(seed)


def a_reader(
    scbk: bytes | None = KEY, *, install_mode: bool = False, observe: Observer = ignore, seed: int = 1
) -> OsdpReader:
    """Return a fresh reader at ADDRESS."""
    settings = ReaderSettings(ADDRESS, scbk=scbk, install_mode=install_mode)
    return OsdpReader("g01", settings, seeded_bytes(seed).randbytes, observe)


class Asker:
    """One conversation with one reader."""

    def __init__(self, reader: OsdpReader, now_ms: int = 0) -> None:
        self.reader = reader
        self.now_ms = now_ms
        self.sequence = 0
        self.session: SecureSession | None = None
        self.last_sent = b""

    def frame(self, command: commands.Command, block_type: int | None = None, block_data: bytes = b"") -> Frame:
        """Return the next command's frame, in clear text unless a session is up, and count the sequence on."""
        clear = Frame(
            address=self.reader.address,
            is_reply=False,
            sequence=self.sequence,
            code=command.code,
            data=commands.encode_data(command),
            block_type=block_type,
            block_data=block_data,
        )
        self.sequence = self.sequence % 3 + 1
        return self.session.seal(clear) if self.session is not None and block_type is None else clear

    def send(self, frame: Frame) -> bytes:
        """Send a frame; returns the bytes that came back."""
        self.last_sent = encode(frame)
        return self.reader.feed(self.last_sent, self.now_ms)

    def resend(self) -> bytes:
        """Send the same bytes again."""
        return self.reader.feed(self.last_sent, self.now_ms)

    def ask(self, command: commands.Command) -> replies.Reply:
        """Send a command and return the one reply."""
        return self.read(self.send(self.frame(command)))

    def read(self, received: bytes) -> replies.Reply:
        """Return the one reply in these bytes, checked under the session if it came secured."""
        (frame,) = frames_in(received)
        if frame.is_secured and self.session is not None:
            frame = self.session.unseal(frame)
        return replies.decode_reply(frame.code, frame.data)

    def restart(self) -> None:
        """Begin again with sequence 0, in clear text."""
        self.sequence, self.session = 0, None

    def challenge(self, key_number: int = KEY_OWN) -> Frame:
        """Send CHLNG; returns the answering frame."""
        block = bytes((key_number,))
        return frames_in(self.send(self.frame(commands.Challenge(RND_A), SecurityBlock.SCS_11, block)))[0]

    def ask_scrypt(self, cryptogram: bytes, key_number: int = KEY_OWN) -> replies.Reply:
        """Send SCRYPT and return the reply."""
        block = bytes((key_number,))
        return self.read(self.send(self.frame(commands.ServerCryptogram(cryptogram), SecurityBlock.SCS_13, block)))

    def open_session(self, key: bytes = KEY, key_number: int = KEY_OWN) -> None:
        """Run the handshake; fails the test if the reader does not prove that it knows the key."""
        self.restart()
        self.ask(commands.RequestIdentity())
        answer = self.challenge(key_number)
        proof = replies.decode_reply(answer.code, answer.data)
        assert isinstance(proof, replies.ClientCryptogram), proof
        keys = derive_session_keys(key, RND_A)
        assert proof.cryptogram == client_cryptogram(keys, RND_A, proof.rnd_b)
        cryptogram = server_cryptogram(keys, RND_A, proof.rnd_b)
        reply = self.ask_scrypt(cryptogram, key_number)
        assert reply == replies.InitialRMac(initial_r_mac(keys, cryptogram))
        self.session = SecureSession(Role.PANEL, keys, initial_r_mac(keys, cryptogram))


def frames_in(received: bytes) -> list[Frame]:
    """Return the sound frames in some bytes."""
    return [frame for frame in FrameSplitter().feed(received) if isinstance(frame, Frame)]


def a_session(reader: OsdpReader | None = None) -> Asker:
    """Return a conversation with a session up."""
    asker = Asker(a_reader() if reader is None else reader)
    default = asker.reader.channel.install_mode
    if default:
        asker.open_session(bytes(range(0x30, 0x40)), KEY_DEFAULT)
    else:
        asker.open_session()
    return asker


def told(happenings: Sequence[Happening], kind: str) -> list[Happening]:
    """Return the happenings of one kind."""
    return [happening for happening in happenings if happening.kind == kind]
