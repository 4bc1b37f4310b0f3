"""One reading for one insertion: which looks at a reader show a card that was not read yet.

Pure state, no I/O. A card that lies on the reader is read once, whatever the service does meanwhile; a card swapped
between two looks is read.
"""

from __future__ import annotations

from reader_daemon.transports.pcsc_service import Look


class Insertions:
    """What is known of the card on one reader."""

    def __init__(self) -> None:
        """Nothing lies on the reader as far as is known."""
        self._resting = False
        self._moves: int | None = None

    def is_new(self, look: Look) -> bool:
        """Take note of `look`; true when it shows an insertion not seen before, and then not again for it."""
        if not look.present:
            self._resting = False
            return False
        same_life = self._moves is not None
        seen = self._resting and (not same_life or self._moves == look.moves)
        self._resting = True
        self._moves = look.moves
        return not seen

    def recount(self) -> None:
        """Forget the count, because service or reader starts over. A card read before stays read until it is lifted."""
        self._moves = None

    def forget(self) -> None:
        """Take the card that lies there as new: somebody asks for it once more."""
        self._resting = False
