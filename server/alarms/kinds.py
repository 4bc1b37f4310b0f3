"""The kinds of alarm, how grave each is, what ends it, and what the age of an event allows. Pure.

A word that is no `AlarmKind` comes from a newer box: it is kept as it came, and counts as a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

LIVE = timedelta(seconds=3)
GRACE = timedelta(seconds=30)
"""Up to this age an event still speaks of the present (turnstiles sheet, section 9)."""


class AlarmKind(StrEnum):
    """What happened. The values are the words of device events and of `cardcore.reasons`."""

    FORCED = "forced_passage"
    TAILGATE = "tailgate"
    HELD = "held_open"
    SENSOR_STUCK = "pass_sensor_stuck"
    RELAY_FAILED = "relay_failed"
    FIRE = "fire"
    READER_OFFLINE = "reader_offline"
    READER_TAMPERED = "reader_tampered"
    READER_POWER = "reader_power_fault"
    LINE_FAULT = "line_fault"
    PORT_LOST = "port_lost"
    SECURITY = "security_alarm"
    DEVICE_OFFLINE = "device_offline"
    JOURNAL_FILLING = "journal_filling"
    JOURNAL_DAMAGED = "journal_damaged"
    JOURNAL_CHECK_FAILED = "journal_check_failed"
    DIRECTORY_COPIED = "directory_copied"
    CARD_SLOW = "card_slow"
    CARD_FAILED = "card_failed"
    CARD_LOST = "card_lost"
    CARD_STOLEN = "card_stolen"
    CARD_NOT_GENUINE = "card_not_genuine"
    CARD_SUPERSEDED = "card_superseded"
    VISITOR_OVERSTAY = "visitor_overstay"
    VISITOR_ASTRAY = "visitor_astray"
    CHECKPOINT_MISSED = "checkpoint_missed"
    ZONE_FULL = "zone_full"
    WEBHOOK_STOPPED = "webhook_stopped"


class Severity(StrEnum):
    """How soon somebody must look."""

    URGENT = "urgent"
    WARNING = "warning"
    FAULT = "fault"
    """A thing to mend."""


class Occurrence(StrEnum):
    """What the age of an event at its arrival allows (A53)."""

    LIVE = "live"
    """Shown, and may ring and set things going."""
    GRACE = "grace"
    """Shown as of now; sets nothing going."""
    OFFLINE_ALARM = "offline_alarm"
    """An alarm of the past: listed as late, rings nowhere."""
    RECORD_ONLY = "record_only"
    """Kept in the records and nowhere else."""


_K = AlarmKind
_FAULTS = frozenset({
    _K.SENSOR_STUCK, _K.RELAY_FAILED, _K.READER_OFFLINE, _K.PORT_LOST, _K.DEVICE_OFFLINE, _K.JOURNAL_FILLING,
    _K.JOURNAL_CHECK_FAILED, _K.READER_POWER, _K.LINE_FAULT, _K.WEBHOOK_STOPPED,
})  # fmt: skip
_URGENT = frozenset({
    _K.FORCED, _K.FIRE, _K.READER_TAMPERED, _K.SECURITY, _K.CARD_STOLEN, _K.CARD_NOT_GENUINE, _K.DIRECTORY_COPIED,
})  # fmt: skip

ENDS: Mapping[str, AlarmKind] = MappingProxyType(
    {
        "reader_online": _K.READER_OFFLINE,
        "tamper_over": _K.READER_TAMPERED,
        "power_fault_over": _K.READER_POWER,
        "port_reopened": _K.PORT_LOST,
        "fire_over": _K.FIRE,
        "held_over": _K.HELD,
        "line_fault_over": _K.LINE_FAULT,
    }
)
"""Events after which the cause of an alarm is over; it still waits to be acknowledged."""


def severity_of(kind: str) -> Severity:
    """Return how grave a kind is."""
    if kind in _URGENT:
        return Severity.URGENT
    return Severity.FAULT if kind in _FAULTS else Severity.WARNING


def occurrence_of(age: timedelta, *, is_alarm: bool) -> Occurrence:
    """Return the class of an event that was `age` old when it arrived; a clock ahead of ours makes it live."""
    if age <= LIVE:
        return Occurrence.LIVE
    if age <= GRACE:
        return Occurrence.GRACE
    return Occurrence.OFFLINE_ALARM if is_alarm else Occurrence.RECORD_ONLY
