"""When an opening of the PASS contact is a passage, and when it is a cut wire, a bounce or a power loss."""

from __future__ import annotations

import pytest

from reader_daemon.passage import HeldOpen, HeldOver, Passage, PassageSensor, SensorStuck

Step = tuple[int, str, bool | None]


def told(steps: list[Step], until_ms: int = 60_000, held_open_ms: int = 0) -> list[object]:
    """Play contact changes at their times, asking in between at every due time; return what was told."""
    sensor = PassageSensor()
    sensor.held_open_ms = held_open_ms
    found: list[object] = []

    def settle(now_ms: int) -> None:
        while (due_ms := sensor.next_due_ms()) is not None and due_ms <= now_ms:
            said = sensor.advance(due_ms)
            if not said:
                return
            found.extend(said)

    for at_ms, contact, state in steps:
        settle(at_ms - 1)
        if contact == "pass":
            sensor.set_pass(state, at_ms)
        elif contact == "ready":
            sensor.set_ready(state, at_ms)
        else:
            sensor.line_lost()
        found += sensor.advance(at_ms)
    settle(until_ms)
    return found


IDLE: list[Step] = [(0, "pass", True), (0, "ready", True)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([*IDLE, (1_000, "pass", False), (1_400, "pass", True)], [Passage(1_000)]),
        ([*IDLE, (1_000, "pass", False), (1_100, "pass", True)], [Passage(1_000)]),
        ([*IDLE, (1_000, "pass", False), (1_020, "pass", True)], []),  # a bounce
        ([*IDLE, (100, "pass", False), (500, "pass", True)], []),  # Ready only for 100 ms
        ([*IDLE, (1_000, "pass", False), (1_000, "ready", False), (1_500, "pass", True)], []),  # power cut
        ([*IDLE, (1_000, "ready", False), (1_000, "pass", False), (1_500, "pass", True)], []),
        ([*IDLE, (1_000, "pass", False), (1_100, "pass", True), (1_150, "ready", False)], []),  # Ready lost after
        ([*IDLE, (1_000, "pass", False)], [SensorStuck(1_000)]),  # a cut wire
        ([*IDLE, (1_000, "pass", False), (1_050, "pass", None), (1_400, "pass", True)], []),  # a line fault
        ([*IDLE, (1_000, "pass", False), (1_100, "line", None), (1_400, "pass", True)], []),  # reader offline
        ([(0, "ready", True), (1_000, "pass", False), (1_400, "pass", True)], []),  # never seen closed before
        (
            [*IDLE, (1_000, "pass", False), (1_400, "pass", True), (2_000, "pass", False), (2_400, "pass", True)],
            [Passage(1_000), Passage(2_000)],
        ),
        (
            [*IDLE, (1_000, "pass", False), (1_050, "pass", True), (1_060, "pass", False), (1_400, "pass", True)],
            [Passage(1_000)],
        ),
    ],
)
def test_what_an_opening_means(steps: list[Step], expected: list[object]) -> None:
    assert told(steps) == expected


def test_a_lane_without_a_ready_contact_counts_every_clean_opening() -> None:
    sensor = PassageSensor()
    sensor.has_ready_input = False
    assert sensor.ready
    sensor.set_pass(True, 0)  # noqa: FBT003 - a contact
    sensor.set_pass(False, 10)  # noqa: FBT003
    sensor.set_pass(True, 300)  # noqa: FBT003
    assert sensor.advance(300) == [Passage(10)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([*IDLE, (1_000, "pass", False), (5_900, "pass", True)], [Passage(1_000)]),
        ([*IDLE, (1_000, "pass", False), (9_000, "pass", True)], [HeldOpen(1_000), Passage(1_000), HeldOver(9_000)]),
        ([*IDLE, (1_000, "pass", False)], [HeldOpen(1_000), SensorStuck(1_000)]),
    ],
)
def test_a56_a_contact_that_stays_open_is_told_once_and_its_end_too(steps: list[Step], expected: list[object]) -> None:
    assert told(steps, held_open_ms=5_000) == expected
