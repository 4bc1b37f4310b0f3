"""A reader's body: relays, inputs, lamp, buzzer, display, tamper switch, and what it has to report on the next POLL.

It executes decoded commands and knows nothing of frames, sequence numbers or keys.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from firmware_mocks.happenings import Detail, Happening, Kind, Observer
from firmware_mocks.osdp_reader.front import Buzzer, Display, Lamp
from firmware_mocks.osdp_reader.outputs import Relays
from firmware_mocks.osdp_reader.settings import INPUT_COUNT, OUTPUT_COUNT
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import NakReason
from reader_daemon.protocols.osdp.lamps import LedRecord

MAX_QUEUED_READS = 64
"""Card reads and key presses kept while the line is down; what comes after is lost, as in real readers."""
MAX_QUEUED_INPUT_REPORTS = 16
MAX_CARD_BITS = 1_024
_KEYS = {"*": 0x7F, "#": 0x0D} | {digit: ord(digit) for digit in "0123456789"}
MAX_KEYS = 32


class Report(NamedTuple):
    """Something to answer a POLL with."""

    reply: replies.Reply
    happened_ms: int


@dataclass(slots=True)
class BodyCounters:
    """What the body executed since power-up of the process, for tests."""

    polls: int = 0
    outputs_executed: int = 0
    reads_refused: int = 0


class ReaderBody:
    """The parts of one reader that a person can see, hear or touch."""

    def __init__(self, name: str, observe: Observer) -> None:
        """Begin idle: relays off, inputs inactive, dark and blank."""
        self.name = name
        self.counters = BodyCounters()
        self.output_listener: Callable[[int, bool, int], None] | None = None
        self._observe = observe
        self._reports: deque[Report] = deque()
        self._inputs = bytes(INPUT_COUNT)
        self._inputs_wired = False
        self._tampered = False
        self._power_fault = False
        self.lamp, self.buzzer, self.display = Lamp(), Buzzer(), Display()
        self.relays = Relays(OUTPUT_COUNT, self._output_switched)

    # --- what people and contacts do ---

    def present_card(self, bit_count: int, bits: bytes, now_ms: int) -> bool:
        """Read a card; False if the queue is full and the read is lost. `bits` are left-aligned, padded with 0."""
        if not 0 < bit_count <= MAX_CARD_BITS or len(bits) != -(-bit_count // 8):
            msg = f"a card of {bit_count} bits cannot have {len(bits)} bytes; 1..{MAX_CARD_BITS} bits are allowed"
            raise ValueError(msg)
        self.tell(Kind.TAP, now_ms, bits=bit_count, card=bits.hex())
        return self._queue_read(replies.RawCard(0, 0, bit_count, bits), now_ms)

    def press_keys(self, keys: str, now_ms: int) -> bool:
        """Press keys 0-9, * and #; False if the queue is full and they are lost."""
        if not 0 < len(keys) <= MAX_KEYS or any(key not in _KEYS for key in keys):
            msg = f"keys are 1..{MAX_KEYS} of 0-9, * and #, got {keys!r}"
            raise ValueError(msg)
        self.tell(Kind.KEYS, now_ms, keys=keys)
        return self._queue_read(replies.Keypad(0, bytes(_KEYS[key] for key in keys)), now_ms)

    def set_inputs(self, states: bytes, now_ms: int) -> None:
        """Set all inputs, one byte each; a change is reported on the next POLL."""
        if len(states) != INPUT_COUNT:
            msg = f"a reader has {INPUT_COUNT} inputs, got {len(states)}"
            raise ValueError(msg)
        if states == self._inputs:
            return
        for number, (before, after) in enumerate(zip(self._inputs, states, strict=True)):
            if before != after:
                self.tell(Kind.INPUT, now_ms, input=number, state=after)
        self._inputs = states
        self._inputs_wired = True
        waiting = [report for report in self._reports if isinstance(report.reply, replies.Inputs)]
        if len(waiting) >= MAX_QUEUED_INPUT_REPORTS:
            self._reports.remove(waiting[0])
        self._reports.append(Report(replies.Inputs(states), now_ms))

    def set_local_status(self, now_ms: int, *, tampered: bool | None = None, power_fault: bool | None = None) -> None:
        """Open or close the tamper switch, break or mend the supply; a change is reported on the next POLL."""
        before = (self._tampered, self._power_fault)
        self._tampered = self._tampered if tampered is None else tampered
        self._power_fault = self._power_fault if power_fault is None else power_fault
        if before != (self._tampered, self._power_fault):
            self._reports.append(Report(self._local_status(), now_ms))

    # --- what the panel says ---

    def begin_conversation(self, now_ms: int) -> None:
        """Forget input edges that nobody heard; the inputs as they stand are reported on the first POLL instead."""
        reads = [report for report in self._reports if not isinstance(report.reply, replies.Inputs)]
        first = [Report(replies.Inputs(self._inputs), now_ms)] if self._inputs_wired else []
        self._reports = deque([*first, *reads])

    def execute(self, command: commands.Command, now_ms: int) -> replies.Reply:
        """Execute a command that is not about identity, keys or the line, and return the reply."""
        match command:
            case commands.Poll():
                return self._next_report(now_ms)
            case commands.RequestLocalStatus():
                return self._local_status()
            case commands.RequestInputs():
                return replies.Inputs(self._inputs)
            case commands.RequestOutputs():
                return replies.Outputs(self.relays.states())
            case commands.RequestReaders():
                return replies.Readers(b"\0")
            case commands.SetOutputs(records):
                return self._set_outputs(records, now_ms)
            case commands.SetLeds(records):
                return self._set_leds(records, now_ms)
            case commands.SetBuzzer():
                self.buzzer.apply(command)
                on_ms, off_ms = command.on_100ms * 100, command.off_100ms * 100
                self.tell(Kind.BEEP, now_ms, tone=command.tone, count=command.count, on_ms=on_ms, off_ms=off_ms)
                return replies.Ack()
            case commands.ShowText():
                return self._show(command, now_ms)
            case commands.SetReceiveSize() | commands.KeepActive() | commands.Abort():
                return replies.Ack()
            case _:
                return replies.Nak(NakReason.UNKNOWN_COMMAND)

    # --- time and power ---

    def next_due_ms(self) -> int | None:
        """Return when `advance` next has something to do."""
        return self.relays.next_due_ms()

    def advance(self, now_ms: int) -> None:
        """End the relay timers that are due."""
        self.relays.advance(now_ms)

    def lose_power(self, now_ms: int) -> None:
        """Forget everything that lives in memory; relays drop."""
        self.relays.release(now_ms)
        self._reports.clear()
        self.lamp, self.buzzer = Lamp(), Buzzer()
        self.display.blank()

    @property
    def inputs(self) -> bytes:
        """Return the inputs, one byte each."""
        return self._inputs

    @property
    def queued_reports(self) -> int:
        """Return how many reports wait for a POLL."""
        return len(self._reports)

    def tell(self, kind: Kind, at_ms: int, **detail: Detail) -> None:
        """Tell the observer."""
        self._observe(Happening(kind, self.name, at_ms, detail))

    def _queue_read(self, reply: replies.Reply, now_ms: int) -> bool:
        if len(self._reports) >= MAX_QUEUED_READS:
            self.counters.reads_refused += 1
            return False
        self._reports.append(Report(reply, now_ms))
        return True

    def _next_report(self, now_ms: int) -> replies.Reply:
        self.counters.polls += 1
        if not self._reports:
            return replies.Ack()
        reply, happened_ms = self._reports.popleft()
        if isinstance(reply, replies.RawCard | replies.Keypad):
            what = "card" if isinstance(reply, replies.RawCard) else "keys"
            self.tell(Kind.DELIVERED, now_ms, what=what, waited_ms=now_ms - happened_ms)
        return reply

    def _local_status(self) -> replies.LocalStatus:
        return replies.LocalStatus(tampered=self._tampered, power_fault=self._power_fault)

    def _set_outputs(self, records: tuple[commands.OutputRecord, ...], now_ms: int) -> replies.Reply:
        if not all(self.relays.knows(record.output) for record in records):
            return replies.Nak(NakReason.RECORD)
        for record in records:
            self.counters.outputs_executed += 1
            self.relays.apply(record, now_ms)
        return replies.Ack()

    def _set_leds(self, records: tuple[LedRecord, ...], now_ms: int) -> replies.Reply:
        if any(record.reader or record.led for record in records):
            return replies.Nak(NakReason.RECORD)
        for record in records:
            for_ms = self.lamp.apply(record, now_ms)
            light = self.lamp.light(now_ms)
            self.tell(Kind.LAMP, now_ms, colour=light.colour, blinking=light.blinking, for_ms=for_ms)
        return replies.Ack()

    def _show(self, command: commands.ShowText, now_ms: int) -> replies.Reply:
        if command.reader or not self.display.fits(command):
            return replies.Nak(NakReason.RECORD)
        text = self.display.apply(command, now_ms)
        self.tell(Kind.TEXT, now_ms, text=text.text, row=text.row, column=text.column, for_ms=text.for_ms)
        return replies.Ack()

    def _output_switched(self, output: int, on: bool, at_ms: int) -> None:  # noqa: FBT001 - OutputListener's shape
        self.tell(Kind.OUTPUT, at_ms, output=output, on=on)
        if self.output_listener is not None:
            self.output_listener(output, on, at_ms)
