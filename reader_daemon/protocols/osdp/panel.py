"""The OSDP control panel of one bus: bytes in, bytes and events out. No thread, no clock, no I/O.

The owner of the port calls `feed` with what arrived, then `tick`, writes what `tick` returns, hands `take_events`
on, and sleeps until bytes come, somebody submits, or `next_deadline_ms`. Events are only collected, so submitting while
they are being handled is always legal. One message is on the line at a time; whose turn it is, is decided here, what is
said, in `link`. See `docs/osdp.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reader_daemon.messages import CommandFinished, CommandResult, ReaderAction
from reader_daemon.protocols.osdp.actions import command_for
from reader_daemon.protocols.osdp.frames import BrokenFrame, Frame, FrameSplitter
from reader_daemon.protocols.osdp.health import PanelEvent, ReaderHealth
from reader_daemon.protocols.osdp.link import ReaderLink
from reader_daemon.protocols.osdp.settings import ReaderSettings, check_readers
from reader_daemon.protocols.osdp.timing import (
    GAP_IN_FRAME_MS,
    MAX_COMMANDS_IN_A_ROW,
    POLL_INTERVAL_MS,
    PROBE_INTERVAL_MIN_MS,
    PROBE_INTERVAL_MS,
    RECOVERY_WINDOW_MS,
    REPLY_TIMEOUT_MS,
    Moment,
    air_ms,
    idle_ms,
)
from reader_daemon.protocols.osdp.waiting import waiting_command

_HOUSEKEEPING_MS = 250
"""`tick` is wanted at least this often, so that ages are looked at even on a silent bus."""
_REPLY_TAIL_BYTES = 256
"""A reply that has begun when its time is up may still grow to this size."""


class Panel:
    """All readers of one bus."""

    def __init__(
        self, readers: Sequence[ReaderSettings], baud: int, random_bytes: Callable[[int], bytes], started: Moment
    ) -> None:
        """Begin with every reader offline. `random_bytes(n)` must be fit for nonces. Raises ValueError: `settings`."""
        check_readers(readers)
        self._events: list[PanelEvent] = []
        self._links = [ReaderLink(settings, random_bytes, self._events.append) for settings in readers]
        self._by_name = {link.settings.name: link for link in self._links}
        self._baud = baud
        self._splitter = FrameSplitter()
        self._awaited: ReaderLink | None = None
        self._reply_until_ms = 0
        self._reply_tail_ms = 0
        self._sent_ms = 0
        self._received_ms = started.ms
        self._quiet_until_ms = started.ms
        self._probe_at_ms = started.ms
        self._quick_probes_until_ms = started.ms
        self._commands_in_a_row = 0
        self._order = 0
        self._has_line = True

    # --- what use cases ask ------------------------------------------------------------------------------

    def submit(self, reader: str, command_id: int, action: ReaderAction, deadline_ms: int, now: Moment) -> None:
        """Queue an action; its one completion follows as CommandFinished. Raises KeyError for an unknown reader."""
        link = self._by_name[reader]
        command = command_for(action, link.settings.resting_colour)
        if command is None:
            self._events.append(CommandFinished(reader, command_id, CommandResult.REFUSED))
            return
        self._order += 1
        link.submit(waiting_command(command_id, command, deadline_ms, self._order, now.ms), now)

    def roll_key(self, reader: str, new_key: bytes) -> None:
        """Give a reader a new key inside its session; KeyRolled follows. The caller has stored it as pending already.

        Raises ValueError for a weak or used key, a reader without a session, or one that is being given a key.
        """
        self._require_unused(new_key)
        self._by_name[reader].roll_key(new_key)

    def open_install_mode(self, reader: str, new_key: bytes, duration_ms: int, now: Moment) -> None:
        """Let a reader on the public default key have its first key. Decided by two people, audited by the caller.

        `new_key` is freshly drawn and stored as pending already. Ends with the first KEYSET, or after `duration_ms`
        (at most 600,000): InstallModeClosed follows. The reader's own pending key may come again: it was
        sent before and perhaps not taken. Raises ValueError for a weak or used key, or a bad duration.
        """
        if self._by_name[reader].keys.pending != new_key:
            self._require_unused(new_key)
        self._by_name[reader].open_install_mode(new_key, duration_ms, now)

    def confirm_identity(self, reader: str, now: Moment) -> None:
        """Accept the device that answers at this address now: a person looked."""
        self._by_name[reader].confirm_identity(now)

    def _require_unused(self, new_key: bytes) -> None:
        if any(link.keys.holds(new_key) for link in self._links):
            msg = "the key is in use on this bus already"
            raise ValueError(msg)

    def health(self, now_ms: int) -> tuple[ReaderHealth, ...]:
        """Return every reader's condition at this instant."""
        return tuple(link.health(now_ms) for link in self._links)

    def take_events(self) -> list[PanelEvent]:
        """Return and forget the events collected so far, oldest first."""
        events = self._events.copy()
        self._events.clear()
        return events

    # --- the port ----------------------------------------------------------------------------------------

    def line_lost(self, now: Moment) -> None:
        """Take all readers offline at once, and complete all commands: the port is gone."""
        self._has_line = False
        self._awaited = None
        self._splitter.clear()
        for link in self._links:
            link.line_lost(now)

    def line_restored(self, now: Moment) -> None:
        """Probe at once: the port is open again."""
        self._has_line = True
        self._probe_at_ms = now.ms
        self._quiet_until_ms = now.ms + idle_ms(self._baud)

    def close(self) -> None:
        """Complete every command; nothing is sent after this."""
        self._has_line = False
        for link in self._links:
            link.close()

    def feed(self, received: bytes, now: Moment) -> None:
        """Take bytes from the line."""
        if not received:
            return
        self._received_ms = now.ms
        self._quiet_until_ms = now.ms + idle_ms(self._baud)
        for item in self._splitter.feed(received):
            self._take(item, now)

    def tick(self, now: Moment) -> bytes:
        """Let time pass; return what is to be written now, empty for nothing."""
        if self._splitter.held_bytes and now.ms - self._received_ms >= GAP_IN_FRAME_MS:
            for item in self._splitter.drop_partial():
                self._take(item, now)
        if self._awaited is not None and now.ms >= self._reply_deadline_ms():
            self._time_out(self._awaited, now)
        for link in self._links:
            link.advance(now, awaited=link is self._awaited)
        self._forget_abandoned()
        if not self._has_line or self._awaited is not None or now.ms < self._quiet_until_ms:
            return b""
        chosen = self._next_link(now.ms)
        return b"" if chosen is None else self._send(chosen, now)

    def _forget_abandoned(self) -> None:
        if self._awaited is not None and self._awaited.exchange is None:
            self._awaited = None

    def next_deadline_ms(self, now_ms: int) -> int:
        """Return when `tick` is wanted at the latest (monotonic ms, never in the past)."""
        wanted = now_ms + _HOUSEKEEPING_MS
        for link in self._links:
            expiry_ms = link.next_expiry_ms()
            if expiry_ms is not None:
                wanted = min(wanted, expiry_ms)
        if self._has_line:
            wanted = min(wanted, self._next_action_ms(wanted))
        return max(wanted, now_ms)

    def _next_action_ms(self, at_latest_ms: int) -> int:
        gap_ends_ms = self._received_ms + GAP_IN_FRAME_MS if self._splitter.held_bytes else at_latest_ms
        if self._awaited is not None:
            return min(self._reply_deadline_ms(), gap_ends_ms)
        turns = [self._turn_ms(link) for link in self._links]
        turn_ms = min((turn for turn in turns if turn is not None), default=at_latest_ms)
        return min(gap_ends_ms, max(turn_ms, self._quiet_until_ms))

    # --- receiving ---------------------------------------------------------------------------------------

    def _take(self, item: Frame | BrokenFrame, now: Moment) -> None:
        link = self._awaited
        if link is None:
            return
        if isinstance(item, BrokenFrame):
            link.condition.counters["broken_frames"] += 1
        elif not item.has_crc:
            link.condition.counters["checksum_frames"] += 1
        elif item.is_reply and item.address == link.settings.address:
            was_silent = not link.responsive
            if link.on_frame(item, now):
                self._awaited = None
            if was_silent and link.responsive:
                self._came_back(link, now.ms)
        # Anything else is our own echo, a second panel or a late answer of a neighbour: none of our business.

    def _came_back(self, link: ReaderLink, now_ms: int) -> None:
        self._probe_at_ms = now_ms
        if not any(other.responsive for other in self._links if other is not link):
            self._quick_probes_until_ms = now_ms + RECOVERY_WINDOW_MS

    def _reply_deadline_ms(self) -> int:
        if self._splitter.held_bytes and self._reply_until_ms - self._received_ms < GAP_IN_FRAME_MS:
            return min(self._received_ms + GAP_IN_FRAME_MS, self._reply_until_ms + self._reply_tail_ms)
        return self._reply_until_ms

    def _time_out(self, link: ReaderLink, now: Moment) -> None:
        self._awaited = None
        link.on_timeout(now)
        if not link.responsive:
            self._probe_at_ms = max(now.ms, self._sent_ms + self._probe_interval_ms(now.ms))

    def _probe_interval_ms(self, now_ms: int) -> int:
        silent = sum(not link.responsive for link in self._links)
        if silent < len(self._links) and now_ms >= self._quick_probes_until_ms:
            return PROBE_INTERVAL_MS
        return max(PROBE_INTERVAL_MIN_MS, PROBE_INTERVAL_MS // max(silent, 1))

    # --- whose turn it is --------------------------------------------------------------------------------

    def _turn_ms(self, link: ReaderLink) -> int | None:
        """When the link may have the bus. A silent one waits for the probe, unless a command is on its way to it."""
        if link.command_order() is not None:
            return self._quiet_until_ms
        due_ms = link.due_ms()
        if due_ms is None or link.responsive or (link.exchange is not None and link.exchange.waiting is not None):
            return due_ms
        return max(due_ms, self._probe_at_ms)

    def _next_link(self, now_ms: int) -> ReaderLink | None:
        """Commands first, oldest first, but not for ever while a poll is overdue; then whoever waits longest."""
        order, due = 0, now_ms + 1
        commanded: ReaderLink | None = None
        waiting: ReaderLink | None = None
        for link in self._links:
            link_order = link.command_order()
            if link_order is not None:
                if commanded is None or link_order < order:
                    commanded, order = link, link_order
                continue
            turn_ms, due_ms = self._turn_ms(link), link.due_ms()
            # By due time, not by turn: a probe whose turn has come goes before polls, or a full bus would starve it,
            # and among the silent it goes to the one that was tried longest ago.
            if turn_ms is not None and turn_ms <= now_ms and due_ms is not None and due_ms < due:
                waiting, due = link, due_ms
        overdue = waiting is not None and now_ms - due >= POLL_INTERVAL_MS
        if commanded is not None and not (overdue and self._commands_in_a_row >= MAX_COMMANDS_IN_A_ROW):
            self._commands_in_a_row += 1
            return commanded
        self._commands_in_a_row = 0
        return waiting

    def _send(self, link: ReaderLink, now: Moment) -> bytes:
        message = link.compose(now)
        self._awaited = link
        self._sent_ms = now.ms
        self._reply_until_ms = now.ms + air_ms(len(message), self._baud) + REPLY_TIMEOUT_MS
        self._reply_tail_ms = air_ms(_REPLY_TAIL_BYTES, self._baud)
        return message
