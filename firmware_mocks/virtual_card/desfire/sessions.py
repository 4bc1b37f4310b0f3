"""The card's end of a secured session: takes commands apart, puts answers together. EV1, EV2 and LRP.

`receive` returns header and clear body or raises `CardError`; `reply` returns the data of a successful answer.
"""

from __future__ import annotations

from typing import Protocol

from firmware_mocks.virtual_card.desfire.arithmetic import (
    Leakproof,
    aes,
    checksum,
    decipher,
    encipher,
    mac8,
    mac16,
    mac_from,
    mixed,
    with_marker,
)
from firmware_mocks.virtual_card.desfire.memory import CardError

PLAIN, MAC, FULL = 0, 1, 3
INTEGRITY = 0x1E


class CardSession(Protocol):
    """One authenticated state."""

    key_number: int

    def receive(self, instruction: int, data: bytes, header: int, body: int, mode: int) -> tuple[bytes, bytes]:
        """Split `data` into `header` bytes and the clear body of `body` bytes, after checking its protection."""
        ...

    def wire_length(self, header: int, body: int, mode: int) -> int:
        """Return how many bytes such a command has on the wire."""
        ...

    def reply(self, body: bytes, mode: int) -> bytes:
        """Protect an answer with status 00."""
        ...


class Ev1CardSession:
    """One session key, one IV that never rests."""

    def __init__(self, key_number: int, key: bytes) -> None:
        self.key_number = key_number
        self._key = key
        self._iv = bytes(16)

    def wire_length(self, header: int, body: int, mode: int) -> int:
        """See `CardSession`."""
        if not body or mode == PLAIN:
            return header + body
        return header + (body + 8 if mode == MAC else -(-(body + 4) // 16) * 16)

    def receive(self, instruction: int, data: bytes, header: int, body: int, mode: int) -> tuple[bytes, bytes]:
        """See `CardSession`."""
        if len(data) != self.wire_length(header, body, mode):
            raise CardError(0x7E)
        head, rest = data[:header], data[header:]
        if body and mode == FULL:
            clear = decipher(self._key, self._iv, rest)
            self._iv = rest[-16:]
            content, crc, zeros = clear[:body], clear[body : body + 4], clear[body + 4 :]
            if crc != checksum(bytes([instruction]) + head + content) or any(zeros):
                raise CardError(INTEGRITY)
            return head, content
        content = rest[:body]
        self._iv = mac_from(self._key, self._iv, bytes([instruction]) + head + content)
        if body and mode == MAC and rest[body:] != self._iv[:8]:
            raise CardError(INTEGRITY)
        return head, content

    def key_change(self, data: bytes, body: int) -> bytes:
        """Decrypt the cryptogram of ChangeKey; its checksums are its own."""
        clear = decipher(self._key, self._iv, data)
        self._iv = data[-16:]
        if any(clear[body:]):
            raise CardError(INTEGRITY)
        return clear[:body]

    def reply(self, body: bytes, mode: int) -> bytes:
        """See `CardSession`."""
        if mode == FULL and body:
            sealed = body + checksum(body + b"\0")
            sealed += bytes(-len(sealed) % 16)
            out = encipher(self._key, self._iv, sealed)
            self._iv = out[-16:]
            return out
        self._iv = mac_from(self._key, self._iv, body + b"\0")
        return body + self._iv[:8]


class CountedSession:
    """What EV2 and LRP share: transaction identifier, command counter, the same MAC inputs."""

    def __init__(self, key_number: int, transaction: bytes, counter: int) -> None:
        self.key_number = key_number
        self.transaction = transaction
        self.counter = counter

    def wire_length(self, header: int, body: int, mode: int) -> int:
        """See `CardSession`."""
        if mode == PLAIN:
            return header + body
        if mode == FULL and body:
            return header + (body // 16 + 1) * 16 + 8
        return header + body + 8

    def receive(self, instruction: int, data: bytes, header: int, body: int, mode: int) -> tuple[bytes, bytes]:
        """See `CardSession`."""
        if len(data) != self.wire_length(header, body, mode):
            raise CardError(0x7E)
        if mode == PLAIN:
            return data[:header], data[header:]
        covered, mac = data[:-8], data[-8:]
        if mac != self._mac(bytes([instruction]) + self._count() + self.transaction + covered):
            raise CardError(INTEGRITY)
        head, rest = covered[:header], covered[header:]
        if mode == FULL and rest:
            clear = self._decrypt(rest)
            if clear != with_marker(clear[:body]):
                raise CardError(INTEGRITY)
            rest = clear[:body]
        return head, rest

    def reply(self, body: bytes, mode: int) -> bytes:
        """See `CardSession`."""
        self.counter += 1
        if mode == PLAIN:
            return body
        if mode == FULL and body:
            body = self._encrypt(with_marker(body))
        return body + self._mac(b"\0" + self._count() + self.transaction + body)

    def _count(self) -> bytes:
        return bytes([self.counter & 0xFF, self.counter >> 8])

    def _mac(self, message: bytes) -> bytes:
        raise NotImplementedError

    def _encrypt(self, blocks: bytes) -> bytes:
        raise NotImplementedError

    def _decrypt(self, blocks: bytes) -> bytes:
        raise NotImplementedError


def mixed_randoms(mine: bytes, readers: bytes) -> bytes:
    """Return the 26 bytes of both randoms that all session keys come from."""
    return readers[0:2] + mixed(readers[2:8], mine[0:6]) + mine[6:16] + readers[8:16]


class Ev2CardSession(CountedSession):
    """AES session keys."""

    def __init__(
        self, key_number: int, key: bytes, randoms: tuple[bytes, bytes], transaction: bytes, counter: int
    ) -> None:
        super().__init__(key_number, transaction, counter)
        mixture = mixed_randoms(*randoms)
        self._enc = mac16(key, bytes([0xA5, 0x5A, 0, 1, 0, 0x80]) + mixture)
        self._auth = mac16(key, bytes([0x5A, 0xA5, 0, 1, 0, 0x80]) + mixture)

    def _mac(self, message: bytes) -> bytes:
        return mac8(self._auth, message)

    def _iv(self, one: int, two: int) -> bytes:
        return aes(self._enc, bytes([one, two]) + self.transaction + self._count() + bytes(8))

    def _encrypt(self, blocks: bytes) -> bytes:
        return encipher(self._enc, self._iv(0x5A, 0xA5), blocks)

    def _decrypt(self, blocks: bytes) -> bytes:
        return decipher(self._enc, self._iv(0xA5, 0x5A), blocks)


class LrpCardSession(CountedSession):
    """LRP in AES's place, with a running encryption counter."""

    def __init__(self, key_number: int, machine: Leakproof, transaction: bytes, counter: int, used: int) -> None:
        super().__init__(key_number, transaction, counter)
        self._machine = machine
        self._used = used

    def _mac(self, message: bytes) -> bytes:
        return self._machine.mac_short(message)

    def _encrypt(self, blocks: bytes) -> bytes:
        return self._crypt(blocks, encrypting=True)

    def _decrypt(self, blocks: bytes) -> bytes:
        return self._crypt(blocks, encrypting=False)

    def _crypt(self, blocks: bytes, *, encrypting: bool) -> bytes:
        out = self._machine.crypt(self._used, blocks, encrypting=encrypting)
        self._used += len(blocks) // 16
        return out
