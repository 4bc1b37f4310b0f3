"""What a witness does with an offered checkpoint: accept what the last one grew into, refuse everything else.

Pure: the daemon keeps the last accepted checkpoint and every refusal in its store. A refusal never stops a lane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cardcore import merkle
from cardcore.checkpoint import Checkpoint, read_checkpoint, read_restore

NOTHING_SEEN: tuple[int, bytes] = (0, merkle.EMPTY_ROOT)


class WitnessRefusal(StrEnum):
    """Why a checkpoint is not accepted; kept for ever and shown."""

    SIGNATURE = "signature"
    """It is no checkpoint, or the pinned server key did not sign it."""
    REGRESSED = "regressed"
    """The log became shorter and nobody accounted for it."""
    FORKED = "forked"
    """It does not continue what this witness has seen: rows were changed, removed or moved."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A checkpoint as the server offers it, the proof from `old_size` on, and a restore statement, if any."""

    checkpoint: str
    old_size: int
    proof: Sequence[bytes]
    restore: str = ""


def judge(
    seen: tuple[int, bytes], offer: Offer, server_key: bytes, officers: Mapping[str, bytes]
) -> Checkpoint | WitnessRefusal:
    """Return the checkpoint when it may replace what was `seen` (size, root), else why not."""
    checkpoint = read_checkpoint(offer.checkpoint, server_key)
    if checkpoint is None:
        return WitnessRefusal.SIGNATURE
    if offer.restore:
        seen = _restored(seen, offer.restore, checkpoint, officers) or seen
    if checkpoint.size < seen[0]:
        return WitnessRefusal.REGRESSED
    if offer.old_size != seen[0] or not merkle.is_consistent(seen, checkpoint.tree, offer.proof):
        return WitnessRefusal.FORKED
    return checkpoint


def _restored(
    seen: tuple[int, bytes], document: str, checkpoint: Checkpoint, officers: Mapping[str, bytes]
) -> tuple[int, bytes] | None:
    """Return where the log goes on after a restore that two officers signed, if it covers what this witness saw."""
    statement = read_restore(document, officers)
    if statement is None or statement.origin != checkpoint.origin or statement.generation != checkpoint.generation:
        return None
    covers = statement.new[0] < seen[0] < statement.old[0] or statement.old == seen
    return statement.new if covers else None
