"""What an authenticated reply of a reader means to the daemon: cards, digits, inputs, tamper and power.

Called only with replies that passed the MAC of the reader's own key. Marks card reads that may come from the reader's
memory after a gap. It sends nothing.
"""

from __future__ import annotations

from cardcore.reasons import Reason
from reader_daemon.messages import CardFailed, CardRead, InputChanged, KeysPressed, ReaderStatus
from reader_daemon.protocols.osdp.card_bits import wiegand_key
from reader_daemon.protocols.osdp.health import Condition, Emit
from reader_daemon.protocols.osdp.replies import (
    Capabilities,
    FormattedCard,
    Identity,
    Inputs,
    Keypad,
    LocalStatus,
    Outputs,
    RawCard,
    Readers,
    Reply,
)
from reader_daemon.protocols.osdp.timing import MAX_INPUTS, STALE_WINDOW_MS, Moment

_DIGITS = {0x7F: "*", 0x0D: "#"} | {ord(digit): digit for digit in "0123456789"}
_STATES: dict[int, bool] = {0: False, 1: True}


class Reports:
    """The reports of one reader, with the memory that "only on change" needs."""

    def __init__(self, reader: str, condition: Condition, emit: Emit) -> None:
        """Assume every input inactive until the reader says otherwise."""
        self.tampered = False
        self.power_fault = False
        self._reader = reader
        self._condition = condition
        self._emit = emit
        self._inputs: list[bool | None] = []
        self._told: ReaderStatus | None = None
        self._stale_until_ms = 0
        self._memory_seen_empty = True

    def tell_status(self, online: bool, secure: bool) -> None:  # noqa: FBT001 - the two words of the status
        """Emit the reader's status if it changed."""
        told = self._told
        now = (online, secure, self.tampered, self.power_fault)
        if told is None or now != (told.online, told.secure, told.tampered, told.power_fault):
            self._told = ReaderStatus(self._reader, *now, self._condition.detail)
            self._emit(self._told)

    def begin_stale_window(self, now: Moment) -> None:
        """Doubt what comes now: a gap ended."""
        self._stale_until_ms = now.ms + STALE_WINDOW_MS
        self._memory_seen_empty = False

    def memory_is_empty(self) -> None:
        """Note that a poll brought nothing new: what comes once the window is over is fresh."""
        self._memory_seen_empty = True

    def _is_stale(self, now: Moment) -> bool:
        return now.ms < self._stale_until_ms or not self._memory_seen_empty

    def deliver(self, reply: Reply, now: Moment) -> None:
        """Emit what the reply says; unknown replies are counted only."""
        match reply:
            case RawCard(_, _, bit_count, bits):
                self._card(bit_count, bits, now)
            case FormattedCard():
                self._failed(Reason.CARD_UNKNOWN_TYPE, "reader sends formatted card data (FMT)", now)
            case Keypad(_, digits):
                self._keys(digits, now)
            case LocalStatus(tampered, power_fault):
                self.tampered, self.power_fault = tampered, power_fault
            case Inputs(states):
                self._input_states(states, now)
            case Identity() | Capabilities() | Outputs() | Readers():
                pass  # answers to the panel's own questions
            case _:
                self._condition.counters[f"other_reply_{reply.code:02x}"] += 1

    def malformed_card(self, now: Moment) -> None:
        """Report a card reply whose data does not fit its own bit count."""
        self._failed(Reason.CARD_UNREADABLE, "reader sent a malformed card reply", now)

    def _card(self, bit_count: int, bits: bytes, now: Moment) -> None:
        credential = wiegand_key(bit_count, bits)
        if credential is None:
            self._failed(Reason.CARD_UNKNOWN_TYPE, f"card of {bit_count} bits", now)
            return
        self._emit(CardRead(self._reader, credential, now.at, now.ms, possibly_stale=self._is_stale(now)))

    def _failed(self, reason: Reason, detail: str, now: Moment) -> None:
        self._emit(CardFailed(self._reader, reason, detail, now.at, now.ms))

    def _keys(self, digits: bytes, now: Moment) -> None:
        if self._is_stale(now):
            # A PIN typed before the gap must not complete one typed after it.
            self._condition.counters["stale_keys_dropped"] += 1
            return
        keys = "".join(_DIGITS.get(digit, "") for digit in digits)
        if keys:
            self._emit(KeysPressed(self._reader, keys, now.at, now.ms))

    def _input_states(self, states: bytes, now: Moment) -> None:
        for number, state in enumerate(states[:MAX_INPUTS]):
            active = _STATES.get(state)
            if number == len(self._inputs):
                self._inputs.append(False)
            if self._inputs[number] is not active:
                self._inputs[number] = active
                self._emit(InputChanged(self._reader, number, active, now.at, now.ms))
