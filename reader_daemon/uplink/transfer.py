"""Receiving policy: parts gathered within limits, then a new snapshot built and held against the signed hash.

Nothing here installs anything; an older, foreign, forged, torn or oversized transfer is a problem in words.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from cardcore.access.snapshot import Snapshot, StateItem
from cardcore.wire import signing
from cardcore.wire.messages import StateBegin, StatePart

MAX_ITEMS = 2_000_000
MAX_BYTES = 512 * 1024 * 1024


@dataclass(slots=True)
class Transfer:
    """A transfer under way."""

    begin: StateBegin
    items: list[tuple[str, bytes]] = field(default_factory=list)
    parts: int = 0
    size_bytes: int = 0

    def take(self, part: StatePart) -> str | None:
        """Add a part; returns what is wrong with it, or None."""
        if part.version != self.begin.version or part.index != self.parts:
            return f"part {part.index} of version {part.version} came where part {self.parts} was due"
        self.parts += 1
        self.items.extend(part.items)
        self.size_bytes += sum(len(key) + len(body) for key, body in part.items)
        if len(self.items) > MAX_ITEMS or self.size_bytes > MAX_BYTES:
            return f"the transfer is larger than {MAX_ITEMS} items or {MAX_BYTES} bytes"
        return None


def begin_problem(begin: StateBegin, site: str, server_key: bytes, installed: int, same_hash: bytes) -> str | None:
    """Return why a transfer must not begin, or None.

    `installed` is the version in force, or about to be; the very same content once more is no problem.
    """
    signed = signing.state_bytes(site, begin.base_version, begin.version, begin.content_hash)
    if not signing.verified(server_key, begin.signature, signed):
        return "the signature is not this site's server's"
    same = begin.version == installed and begin.content_hash == same_hash
    if begin.version <= installed and not same:
        return f"version {begin.version} is not newer than {installed}"
    if begin.base_version not in {0, installed} and not same:
        return f"the delta is on version {begin.base_version}, here is {installed}"
    return None


def build_snapshot(base: Snapshot, begin: StateBegin, items: tuple[tuple[str, bytes], ...]) -> Snapshot | str:
    """Return the snapshot a transfer makes of `base`, or what is wrong with it. Takes a while: not on the loop."""
    if begin.base_version and begin.base_version != base.version:
        return f"the delta is on version {begin.base_version}, here is {base.version}"
    start = base if begin.base_version else Snapshot.empty()
    try:
        snapshot = start.with_changes(begin.version, (StateItem(key, body) for key, body in items))
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, KeyError) as error:
        return f"an item cannot be read: {error}"[:200]
    if snapshot.content_hash != begin.content_hash:
        return "the items do not have the hash that was signed"
    return snapshot
