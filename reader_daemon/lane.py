"""The use case of a lane: intent, decision, durable record, then relay, lamp and tone, then what became of it.

Calls for one reader come one after the other (`reader_daemon.desk` sees to that). No path leads to the relay but a
durable grant; an error on the way refuses.
"""

from __future__ import annotations

import structlog

from cardcore.access.decide import Decision, GateTap, SiteState, decide_alone
from cardcore.access.items import LaneItem
from cardcore.clock import to_millis
from cardcore.ids import CredentialKey, masked
from cardcore.journal import DeviceEvent, Intent, OutcomeKind, Purpose, Verdict
from cardcore.reasons import ALARMING, Reason
from cardcore.wire.messages import Command, CommandDone, RecordStatus, TapDecision
from reader_daemon.lane_states import (
    Grant,
    LaneHappening,
    LaneStates,
    NotUsed,
    Passed,
    PassedWithoutGrant,
    SensorFault,
    TapTurn,
)
from reader_daemon.messages import CardRead, CommandFinished, CommandResult, InputChanged, Pulse, ReaderStatus
from reader_daemon.passage import HeldOpen, HeldOver
from reader_daemon.recorder import Written
from reader_daemon.signals import SIGNAL_LIFE_MS, answer_signals
from reader_daemon.store.tap_state import LanePassage, TapNumber
from reader_daemon.surroundings import Surroundings, Wiring

PULSE_LIFE_MS = 1_000
"""No relay moves later than this after its decision (I8)."""
TAILGATE_MS = 3_000
"""Who passes without a grant so soon after somebody came along with them."""
_UNDECIDED = frozenset({RecordStatus.CONFLICT, RecordStatus.QUARANTINED})

_log = structlog.get_logger(__name__)


class Lane:
    """The lane behind one reader; which lane that is stands in the snapshot and may change."""

    def __init__(self, reader: str, wiring: Wiring, around: Surroundings) -> None:
        """Begin idle."""
        self._reader = reader
        self._wiring = wiring
        self._around = around
        self._states = LaneStates()
        self._pulse_id: int | None = None
        self._passed_ms: int | None = None
        self._ready_contact: bool | None = False
        self._fire = False

    # --- taps --------------------------------------------------------------------------------------------------

    async def tap(self, read: CardRead, lane: LaneItem) -> None:
        """Serve one card at this lane."""
        self._wired(lane)
        await self.settle()
        turn = self._states.turn(read.credential)
        if turn is TapTurn.REPEAT and self._states.grant is not None:
            await self._repeat(read, lane, self._states.grant)
            return
        tap = await self._intent(read, lane)
        if tap is None:
            self._show(Reason.STORE_FAILED, granted=False)
            return
        decided_ms = self._around.clock.monotonic_ms()
        verdict = self._refused_here(read, turn, lane)
        if verdict is None:
            verdict = await self._decide(read, lane, tap)
            self._around.memory.tapped(lane, read.credential, verdict.reason)
            decided_ms = self._around.clock.monotonic_ms()
        _log.info(
            "tap_decided",
            lane=lane.id,
            card=masked(read.credential),
            seq=tap.number.seq,
            reason=verdict.reason,
            offline=verdict.offline,
        )
        if verdict.granted:
            await self._let_in(tap.number, read, lane, verdict, decided_ms)
        else:
            await self._refuse(tap.number, verdict)

    async def _intent(self, read: CardRead, lane: LaneItem) -> Written | None:
        around = self._around
        return await around.recorder.tap(
            Intent(
                tap=str(around.ids.uuid7()),
                purpose=Purpose.GATE,
                place=lane.id,
                reader=self._reader,
                credential=read.credential,
                stamp=around.watch.stamp(read.at, read.monotonic_ms),
                policy_version=around.policy.snapshot.version,
                possibly_stale=read.possibly_stale,
            )
        )

    def _refused_here(self, read: CardRead, turn: TapTurn, lane: LaneItem) -> Verdict | None:
        """Return the refusal of what only this lane can know, or None."""
        if turn is TapTurn.BUSY:
            return self._verdict(Reason.LANE_BUSY)
        if read.possibly_stale:
            return self._verdict(Reason.POSSIBLY_STALE)
        if not self._states.sensor.ready:
            return self._verdict(Reason.LANE_NOT_READY)
        if self._around.memory.is_interlocked(lane):
            return self._verdict(Reason.LANE_INTERLOCKED)
        return None

    def _verdict(self, reason: Reason) -> Verdict:
        return Verdict(granted=False, reason=reason, policy_version=self._around.policy.snapshot.version, offline=True)

    async def _decide(self, read: CardRead, lane: LaneItem, tap: Written) -> Verdict:
        answer = await self._around.ask(tap, self._around.deadlines.gate_ms)
        if answer is not None and usable(answer):
            return Verdict(answer.granted, answer.reason, answer.policy_version, offline=False)
        decision = self._alone(read, lane)
        return Verdict(decision.granted, decision.reason, decision.policy_version, offline=True)

    def _alone(self, read: CardRead, lane: LaneItem) -> Decision:
        around = self._around
        tap = GateTap(read.credential, lane.id, read.possibly_stale)
        snapshot = around.policy.snapshot
        where = around.positions.whereabouts(read.credential, snapshot)
        ready = self._states.sensor.ready
        state = SiteState(around.policy.denied, {lane.id: ready}, where, around.memory.moments)
        return decide_alone(tap, snapshot, state, around.clock.now(), around.policy.age())

    async def _let_in(self, tap: TapNumber, read: CardRead, lane: LaneItem, verdict: Verdict, decided_ms: int) -> None:
        around = self._around
        if not await around.recorder.decided(tap, verdict):
            await self._refuse(tap, self._verdict(Reason.STORE_FAILED))
            return
        self._open(
            Grant(tap, read.credential, verdict, self._window_end_ms(lane, read.credential), lane.has_pass_sensor),
            lane,
            decided_ms + PULSE_LIFE_MS,
        )
        self._show(verdict.reason, granted=True)
        if self._pulse_id is None and not self._fire:
            await self._relay_failed("the reader takes no command")

    def _open(self, grant: Grant, lane: LaneItem, deadline_ms: int) -> None:
        self._states.granted(grant)
        pulse = Pulse(self._wiring.unlock_output, lane.pulse_ms)
        self._pulse_id = None if self._fire else self._around.tell(self._reader, pulse, deadline_ms)

    def _window_end_ms(self, lane: LaneItem, credential: CredentialKey | None) -> int:
        return self._around.clock.monotonic_ms() + self._around.memory.window_ms(lane, credential)

    def _wired(self, lane: LaneItem) -> None:
        self._states.sensor.has_ready_input = lane.has_ready_input
        self._states.sensor.held_open_ms = lane.held_open_ms

    async def _refuse(self, tap: TapNumber, verdict: Verdict) -> None:
        if not await self._around.recorder.outcome(tap, OutcomeKind.DECLINED, verdict):
            self._around.recorder.abandon(tap)
            verdict = self._verdict(Reason.STORE_FAILED)
        self._show(verdict.reason, granted=False)
        if verdict.reason in ALARMING:
            _log.warning("lane_alarm", reader=self._reader, seq=tap.seq, reason=verdict.reason)

    async def _repeat(self, read: CardRead, lane: LaneItem, grant: Grant) -> None:
        """Show the answer again; no second pulse, no second decision."""
        around = self._around
        stamp = around.watch.stamp(read.at, read.monotonic_ms)
        await around.recorder.append(DeviceEvent("repeat", lane.id, f"of tap {_number(grant)}", stamp))
        self._show(grant.verdict.reason, granted=True)

    def _show(self, reason: str, *, granted: bool) -> None:
        deadline_ms = self._around.clock.monotonic_ms() + SIGNAL_LIFE_MS
        for action in answer_signals(reason, granted=granted):
            self._around.tell(self._reader, action, deadline_ms)

    # --- commands ------------------------------------------------------------------------------------------------

    async def open_by(self, command: Command, lane: LaneItem, deadline_ms: int) -> CommandDone:
        """Open once for an operator: recorded with name and reason first, then the relay, within the command's life."""
        around = self._around
        await self.settle()
        self._wired(lane)
        if self._states.grant is not None:
            return CommandDone(command.nonce, "refused", Reason.LANE_BUSY.value)
        if not self._states.sensor.ready:
            return CommandDone(command.nonce, "refused", Reason.LANE_NOT_READY.value)
        if around.memory.is_interlocked(lane):
            return CommandDone(command.nonce, "refused", Reason.LANE_INTERLOCKED.value)
        if not await around.recorder.event("opened_by_operator", lane.id, f"{command.actor}: {command.reason}"):
            return CommandDone(command.nonce, "refused", Reason.STORE_FAILED.value)
        if around.clock.monotonic_ms() >= deadline_ms:
            return CommandDone(command.nonce, "expired")
        verdict = Verdict(
            granted=True, reason=Reason.GRANTED, policy_version=around.policy.snapshot.version, offline=False
        )
        self._open(Grant(None, None, verdict, self._window_end_ms(lane, None), lane.has_pass_sensor), lane, deadline_ms)
        around.memory.tapped(lane, None, Reason.GRANTED)
        if self._pulse_id is None and not self._fire:
            self._states.relay_failed()
            return CommandDone(command.nonce, "refused", "the reader takes no command")
        self._show(Reason.GRANTED, granted=True)
        return CommandDone(command.nonce, "done")

    async def keep_open(self, lane: LaneItem) -> None:
        """Unlock a free lane again before its window is over: pulses, so that a daemon that dies leaves it locked."""
        now_ms = self._around.clock.monotonic_ms()
        if self._states.grant is None and self._states.sensor.ready and not self._fire:
            pulse = Pulse(self._wiring.unlock_output, lane.pulse_ms)
            self._around.tell(self._reader, pulse, now_ms + PULSE_LIFE_MS)

    # --- what the hardware says ----------------------------------------------------------------------------------

    async def input_changed(self, event: InputChanged, lane: LaneItem | None) -> None:
        """Take a contact of the turnstile."""
        sensor = self._states.sensor
        if lane is not None:
            self._wired(lane)
        if event.input_number == self._wiring.pass_input:
            sensor.set_pass(event.active, event.monotonic_ms)
        elif event.input_number == self._wiring.ready_input:
            self._ready_contact = event.active
            sensor.set_ready(event.active, event.monotonic_ms)
        elif event.input_number == self._wiring.fire_input and event.active is not None and event.active != self._fire:
            self._fire = event.active
            place = self._reader if lane is None else lane.id
            await self._around.recorder.event("fire" if self._fire else "fire_over", place, "", alarm=self._fire)
        await self.settle()

    async def reader_status(self, status: ReaderStatus) -> None:
        """Take the reader's health: while it is offline its contacts are not seen."""
        if not status.online:
            self._states.sensor.line_lost()
        else:
            now_ms = self._around.clock.monotonic_ms()
            self._states.sensor.line_back(now_ms, ready=bool(self._ready_contact))

    async def command_finished(self, finished: CommandFinished) -> None:
        """Take the end of a command; only the pulse's matters."""
        if finished.command_id != self._pulse_id:
            return
        self._pulse_id = None
        if finished.result in {CommandResult.REFUSED, CommandResult.EXPIRED}:
            await self._relay_failed(finished.result.value)

    async def _relay_failed(self, why: str) -> None:
        happened = self._states.relay_failed()
        await self._around.recorder.event("relay_failed", self._reader, why, alarm=True)
        if happened is not None:
            await self._happened(happened)
        self._show(Reason.LANE_NOT_READY, granted=False)

    # --- time ------------------------------------------------------------------------------------------------------

    def next_due_ms(self) -> int | None:
        """Return when `settle` next has something to do, or None."""
        return self._states.next_due_ms()

    async def settle(self) -> None:
        """Record what became of grants and passages by now."""
        for happened in self._states.advance(self._around.clock.monotonic_ms()):
            await self._happened(happened)

    async def _happened(self, happened: LaneHappening) -> None:
        recorder = self._around.recorder
        lane = self._around.policy.snapshot.lane_of_reader.get(self._reader)
        place = self._reader if lane is None else lane.id
        match happened:
            case Passed(grant, assumed):
                await self._close(grant, OutcomeKind.PASSED, place)
                self._moved(grant, lane)
                _log.info("lane_passed", lane=place, seq=_number(grant), assumed=assumed)
            case NotUsed(grant):
                await self._close(grant, OutcomeKind.NOT_USED, place)
                if lane is not None:
                    self._around.memory.ended(lane)
                _log.info("lane_not_used", lane=place, seq=_number(grant))
            case PassedWithoutGrant():
                word = self._unnamed(lane)
                await recorder.event(word, place, "", alarm=word != "free_passage")
                _log.warning("lane_passed_without_grant", lane=place, word=word)
            case HeldOpen():
                await recorder.event("held_open", place, "the PASS contact stays open", alarm=True)
                self._show(Reason.LANE_NOT_READY, granted=False)
            case HeldOver():
                await recorder.event("held_over", place, "")
            case SensorFault():
                await recorder.event("pass_sensor_stuck", place, "the PASS contact stays open", alarm=True)

    def _moved(self, grant: Grant, lane: LaneItem | None) -> None:
        """Note who went through, for the lanes of this box."""
        around = self._around
        self._passed_ms = around.clock.monotonic_ms()
        if lane is None:
            return
        around.memory.passed(lane, grant.credential, around.clock.now())
        if grant.credential is not None:
            at_ms = to_millis(around.clock.now())
            around.positions.passed(LanePassage(grant.credential, lane.id, at_ms))

    def _unnamed(self, lane: LaneItem | None) -> str:
        """Return the word for a passage that nobody was granted: free, right behind somebody, or forced."""
        if self._fire or (lane is not None and self._around.memory.is_free(lane)):
            return "free_passage"
        since_ms = self._around.clock.monotonic_ms() - self._passed_ms if self._passed_ms is not None else None
        return "tailgate" if since_ms is not None and since_ms <= TAILGATE_MS else "forced_passage"

    async def _close(self, grant: Grant, kind: OutcomeKind, place: str) -> None:
        recorder = self._around.recorder
        if grant.tap is None:
            await recorder.event(f"operator_opening_{kind.value}", place, "")
        elif not await recorder.outcome(grant.tap, kind, grant.verdict):
            recorder.abandon(grant.tap)


def _number(grant: Grant) -> int | None:
    return None if grant.tap is None else grant.tap.seq


def usable(answer: TapDecision) -> bool:
    """Tell whether the server really decided: a fault of its own, or a quarantined tap, is none of its decisions."""
    return answer.reason != Reason.SERVER_FAULT and answer.status not in _UNDECIDED
