"""When a lost link is worth a record: once a spell of trouble, however often a link opens and falls again within it.

A server whose database is in trouble lets every daemon in and then refuses its first upload. Telling each such fall
would fill the journal with records that say nothing new, and that the server has to take as well. Pure; reads no clock.
"""

from __future__ import annotations

LASTING_MS = 30_000
"""A link that held this long worked: its fall begins a new spell."""


class Spell:
    """Knows whether the fall of the link was told already."""

    def __init__(self) -> None:
        """Begin well."""
        self._told = False
        self._opened_ms = 0

    def opened(self, at_ms: int) -> None:
        """Note that the handshake ended well at `at_ms` (monotonic), which proves little."""
        self._opened_ms = at_ms

    def proved(self) -> None:
        """Note that the server took an upload: the trouble is over."""
        self._told = False

    def begins(self, at_ms: int) -> bool:
        """Return whether the fall of an open link at `at_ms` (monotonic) begins a spell, and is to be told."""
        begins = not self._told or at_ms - self._opened_ms >= LASTING_MS
        self._told = True
        return begins
