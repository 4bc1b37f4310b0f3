"""What `onecard card` says of how it ended."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from server.cards.service import CardChange

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "list_empty": "the list is empty",
        "list_too_long": "the list is too long; make several",
        "device_unknown": "this device is not enrolled any more",
        "station_busy": "another list waits at this encoder: finish or cancel it",
        "keys_locked": "the card keys are locked: onecard keys status",
        "unknown_person": "somebody on the list is not here any more",
        "number_taken": "another card has this number; choose one with --number",
        "replaced_not_found": "the card to replace is not this person's",
        "wrong_validity": "the time is none, or too far away",
        "job_unknown": "there is no such list",
        "not_allowed": "your role does not include this, or the card's state does not allow it: onecard card table",
        "own_matter": "nobody does this for themselves",
        "not_found": "there is no such card, loan or person",
        "wrong_state": "the card's state does not allow it: onecard card table",
        "needs_approval": "this takes two people: onecard card use NUMBER --reason WHY",
        "unchanged": "nothing to do: the card is in this state",
        "person_unknown": "this takes two people, and your login is tied to none: onecard user add --person",
        "reason_missing": "say why: --reason TEXT",
        "already_asked": "this was asked already and waits for another person",
    }
)


def told_change(change: CardChange) -> int:
    """Say how a step ended; return the exit code."""
    if change is CardChange.DONE:
        print("done; connected readers know within a second")
        return 0
    return told_refusal(change) if change is not CardChange.UNCHANGED else _said(WORDS["unchanged"])


def told_refusal(refusal: StrEnum | None) -> int:
    """Say why not; return the exit code."""
    if refusal is None:
        return _said("done")
    print(f"onecard: {WORDS.get(refusal.value, refusal.value)}", file=sys.stderr)
    return 1


def _said(words: str) -> int:
    print(words)
    return 0
