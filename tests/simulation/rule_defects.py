"""More deliberate defects, beside `tests.simulation.defects`: rules of people, days, seals and words taken away."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from typing import Any
from unittest.mock import patch

import cardcore.access.decide
import reader_daemon.lane
import reader_daemon.till
import server.taps.checks
from cardcore.access.presence import Whereabouts
from cardcore.ids import PersonId, SiteId
from cardcore.journal import Outcome, OutcomeKind, Record
from cardcore.reasons import Reason
from reader_daemon.messages import ReaderAction, Show
from reader_daemon.recorder import Recorder
from reader_daemon.signals import answer_signals
from reader_daemon.store.tap_state import TapNumber
from server.taps import crowd
from server.taps.batch import Batch
from tests.simulation.defect import Broken, Defect, of, put


def _undo_only_said() -> Broken:
    write = Recorder.outcome

    async def say(self: Recorder, tap: TapNumber, kind: OutcomeKind, verdict: Any) -> bool:  # noqa: ANN401
        return True if kind is OutcomeKind.CANCELLED else await write(self, tap, kind, verdict)

    return patch.object(Recorder, "outcome", say)


def _without_words(reason: str, *, granted: bool, second_row: str = "") -> tuple[ReaderAction, ...]:
    told = answer_signals(reason, granted=granted, second_row=second_row)
    return told if granted else tuple(action for action in told if not isinstance(action, Show))


@contextmanager
def _wordless() -> Any:  # noqa: ANN401 - a context manager
    with (
        patch.object(reader_daemon.lane, "answer_signals", _without_words),
        patch.object(reader_daemon.till, "answer_signals", _without_words),
    ):
        yield


@contextmanager
def _strangers_welcome() -> Any:  # noqa: ANN401 - a context manager
    """Let a lane alone take an unknown card for a known one whose data has not come yet."""
    alone = cardcore.access.decide.decide_alone

    def decide(*args: Any) -> Any:  # noqa: ANN401 - the product's
        found = alone(*args)
        unknown = found.reason is Reason.CARD_UNKNOWN
        return cardcore.access.decide.Decision(True, Reason.GRANTED, found.policy_version) if unknown else found  # noqa: FBT003

    with patch.object(reader_daemon.lane, "decide_alone", decide):
        yield


@contextmanager
def _moved_by_a_yes() -> Any:  # noqa: ANN401 - a context manager
    """Move people when they are let in, whether they go through or not."""
    later = Batch._later

    def decided(self: Batch, arrival: Any, journal: Any, key: Any, record: Any, body: Any, tap: Any) -> None:  # noqa: ANN401
        later(self, arrival, journal, key, record, body, tap)
        if not isinstance(body, Outcome) and tap.person_id is not None:
            lane = self._snapshots[arrival.device.site].lane(tap.place)
            if lane is not None:
                at = self.event_time(body.stamp)
                crowd.passed(self._facts, self.writes, arrival.device.site, PersonId(tap.person_id), lane, at)

    with patch.object(Batch, "_later", decided):
        yield


def _anybody(person: PersonId, zone: object, where: Whereabouts, at: object) -> Reason:
    return Reason.GRANTED


def _any_seal(record: Record, key: object, record_key: bytes) -> bool:
    return True


def _day_it_was_eaten(self: Batch, site: SiteId, eaten: date) -> date:
    return eaten


RULE_DEFECTS: tuple[Defect, ...] = (
    Defect("undo_only_said", "a till records that it took a charge back", of("I10", "I4"),
           _undo_only_said),
    Defect("no_words", "a refusal says why", of("I9"), _wordless),
    Defect("strangers_welcome", "a lane alone lets no unknown card in", of("I15"), _strangers_welcome),
    Defect("moved_by_a_yes", "only a passage moves people", of("I18"), _moved_by_a_yes),
    Defect("passback_forgotten", "who is inside does not come in again", of("I24"),
           put(cardcore.access.decide, "presence_reason", _anybody)),
    Defect("any_seal", "a record's seal is checked", of("I16"), put(server.taps.checks, "authentic", _any_seal)),
    Defect("closed_day_open", "a closed day takes no meals", of("I13"),
           put(Batch, "_posting_day", _day_it_was_eaten)),
)  # fmt: skip
