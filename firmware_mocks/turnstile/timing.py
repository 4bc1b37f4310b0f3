"""How long the parts of a lane take: one table for tripods and one for the vehicle barrier.

Values only; the behaviour is in `mechanism`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaneTiming:
    """Times of one lane's mechanics, milliseconds."""

    open_window_ms: int = 5_000
    """How long one pulse frees the arm (TTR family manuals: 5 s)."""
    walk_ms: int = 800
    """From the freed arm to the person in it, unless the policy says otherwise."""
    passage_ms: int = 400
    """How long the PASS contact is open while a person goes through."""
    ready_after_power_ms: int = 500
    """From power to Ready."""

    def __post_init__(self) -> None:
        """Refuse times that are not positive."""
        for name in ("open_window_ms", "walk_ms", "passage_ms", "ready_after_power_ms"):
            if getattr(self, name) <= 0:
                msg = f"{name} must be more than 0 ms, got {getattr(self, name)}"
                raise ValueError(msg)


TRIPOD = LaneTiming()
BARRIER = LaneTiming(open_window_ms=15_000, walk_ms=2_000, passage_ms=3_000, ready_after_power_ms=1_500)
"""The boom rises, the car drives over the loop; PASS opens while the loop is covered."""
