"""One RS-485 bus: every reader hears every byte, and the line itself can be cut, noisy or slow.

Bytes in, bytes out, no clock, no I/O. A reader is anything with `feed`, `advance` and `next_due_ms`.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Protocol

from firmware_mocks.system import RandomBytes

MAX_WAITING = 256
"""Transmissions under way on a slow line; more are lost."""
MAX_LATENCY_MS = 10_000
_RATE_STEPS = 1 << 32


class BusDevice(Protocol):
    """What stands on a bus."""

    def feed(self, data: bytes, now_ms: int) -> bytes:
        """Hear bytes; return what is sent at once."""
        ...

    def advance(self, now_ms: int) -> bytes:
        """Let time pass; return delayed bytes."""
        ...

    def next_due_ms(self) -> int | None:
        """Return when `advance` next has something to do."""
        ...


class MultiDropBus:
    """Several devices on one line."""

    def __init__(self, devices: Sequence[BusDevice], random_bytes: RandomBytes) -> None:
        """Wire the devices together on a sound line."""
        self._devices = tuple(devices)
        self._random_bytes = random_bytes
        self._cut_until_ms: int | None = None
        self._error_rate = 0.0
        self._latency_ms = 0
        self._under_way: list[tuple[int, int, bytes]] = []
        self._order = 0

    def cut(self, until_ms: int) -> None:
        """Cut the line until then: nothing in, nothing out. An instant in the past mends it."""
        self._cut_until_ms = until_ms

    def is_cut(self, now_ms: int) -> bool:
        """Say whether the line is cut."""
        return self._cut_until_ms is not None and now_ms < self._cut_until_ms

    def set_noise(self, error_rate: float) -> None:
        """Flip one bit in this share of the transmissions, in either direction, 0..1."""
        if not 0.0 <= error_rate <= 1.0:
            msg = f"error rate must be 0..1, got {error_rate}"
            raise ValueError(msg)
        self._error_rate = error_rate

    def set_latency(self, latency_ms: int) -> None:
        """Delay everything the devices send."""
        if not 0 <= latency_ms <= MAX_LATENCY_MS:
            msg = f"latency must be 0..{MAX_LATENCY_MS} ms, got {latency_ms}"
            raise ValueError(msg)
        self._latency_ms = latency_ms

    def feed(self, data: bytes, now_ms: int) -> bytes:
        """Hear bytes of the panel; returns what the panel hears at once."""
        sent = self.advance(now_ms)
        if self.is_cut(now_ms) or not data:
            return sent
        heard = self._through_noise(data)
        answers = [device.feed(heard, now_ms) for device in self._devices]
        for sender, answer in enumerate(answers):
            if answer:
                self._let_others_hear(sender, answer, now_ms)
        return sent + self._leave(answers, now_ms)

    def advance(self, now_ms: int) -> bytes:
        """Let time pass on line and devices; returns what the panel hears."""
        sent = b""
        while self._under_way and self._under_way[0][0] <= now_ms:
            sent += heapq.heappop(self._under_way)[2]
        if self.is_cut(now_ms):
            for device in self._devices:
                device.advance(now_ms)
            return b""
        return sent + self._leave([device.advance(now_ms) for device in self._devices], now_ms)

    def next_due_ms(self) -> int | None:
        """Return when `advance` next has something to do."""
        instants = [due for due in (device.next_due_ms() for device in self._devices) if due is not None]
        if self._under_way:
            instants.append(self._under_way[0][0])
        return min(instants, default=None)

    def _let_others_hear(self, sender: int, answer: bytes, now_ms: int) -> None:
        """Put a reply on the shared pair: the other devices hear it too and must not answer it."""
        for number, device in enumerate(self._devices):
            if number != sender:
                device.feed(answer, now_ms)

    def _leave(self, answers: list[bytes], now_ms: int) -> bytes:
        spoken = [answer for answer in answers if answer]
        if not spoken:
            return b""
        sent = self._through_noise(_collided(spoken))
        if not self._latency_ms:
            return sent
        if len(self._under_way) < MAX_WAITING:
            self._order += 1
            heapq.heappush(self._under_way, (now_ms + self._latency_ms, self._order, sent))
        return b""

    def _through_noise(self, data: bytes) -> bytes:
        if not self._error_rate:
            return data
        drawn = int.from_bytes(self._random_bytes(4), "big") / _RATE_STEPS
        if drawn >= self._error_rate:
            return data
        place = int.from_bytes(self._random_bytes(4), "big")
        spoilt = bytearray(data)
        spoilt[place // 8 % len(data)] ^= 1 << place % 8
        return bytes(spoilt)


def _collided(answers: list[bytes]) -> bytes:
    """Overlay what several devices send at the same time, as on a shared pair: a 0 bit wins."""
    if len(answers) == 1:
        return answers[0]
    length = max(len(answer) for answer in answers)
    overlaid = bytearray(b"\xff" * length)
    for answer in answers:
        for place, byte in enumerate(answer):
            overlaid[place] &= byte
    return bytes(overlaid)
