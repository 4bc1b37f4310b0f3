"""From what a disk was told to what a power cut may leave of it.

A sync makes a file's earlier writes durable. Of what was written since, each write may be lost, torn at a sector of 512
bytes, or there, independently of its neighbours: that is reordering too. A deletion is durable with the next
sync of any file (ext4 and xfs commit the names in their order); before, the old file may be back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.power_cut.watched_vfs import Call, Refusal

SECTOR_BYTES = 512
LOST = 0.4
TORN = 0.2


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes that reached the file."""

    file: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncated:
    """A new length."""

    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A sync; `well` False = it failed, and what came before may never reach the platter, whatever is synced later."""

    file: str
    well: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    """The name is gone."""

    file: str


@dataclass(frozen=True, slots=True)
class Told:
    """The store told its caller that this record is durable."""

    epoch: int
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class MayGo:
    """The ring may drop an epoch's records up to this one from now on: the server has them and they are old."""

    epoch: int
    through: int


Event = Wrote | Truncated | Synced | Deleted | Told | MayGo
Files = dict[str, bytes]
Change = Wrote | Truncated | Deleted


@dataclass(slots=True)
class RecordingDisk:
    """A healthy disk that remembers. `told` is called by who drives the store."""

    events: list[Event] = field(default_factory=list)

    def refuses(self, call: Call) -> Refusal | None:
        """Nothing fails here."""
        return None

    def wrote(self, file: str, offset: int, data: bytes) -> None:
        """See `Disk`."""
        self.events.append(Wrote(file, offset, data))

    def truncated(self, file: str, size: int) -> None:
        """See `Disk`."""
        self.events.append(Truncated(file, size))

    def synced(self, file: str, *, well: bool) -> None:
        """See `Disk`."""
        self.events.append(Synced(file, well))

    def deleted(self, file: str) -> None:
        """See `Disk`."""
        self.events.append(Deleted(file))


@dataclass(slots=True)
class Platter:
    """What is durable after some events, and what is in doubt; feed it events in order."""

    durable: dict[str, bytearray] = field(default_factory=dict)
    doubtful: dict[str, list[Change]] = field(default_factory=dict)
    told: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Follow one event."""
        match event:
            case Told(epoch, seq, digest):
                self.told[epoch, seq] = digest
            case MayGo(epoch, through):
                self.told = {key: digest for key, digest in self.told.items() if key[0] != epoch or key[1] > through}
            case Synced(file, well):
                self._sync(file, well=well)
            case _:
                self.doubtful.setdefault(event.file, []).append(event)

    def _sync(self, file: str, *, well: bool) -> None:
        changes = self.doubtful.pop(file, [])
        if well:
            for change in changes:
                _apply(self.durable, change)
        # A failed sync marks the pages as written: a later one that succeeds does not bring them (F6).
        for other, waiting in self.doubtful.items():
            last = max((at for at, change in enumerate(waiting) if isinstance(change, Deleted)), default=-1)
            if last >= 0:
                self.durable.pop(other, None)
                self.doubtful[other] = waiting[last + 1 :]

    def image(self, dice: Random) -> Files:
        """Return one thing that a cut at this moment may leave."""
        files = {name: bytearray(content) for name, content in self.durable.items()}
        for changes in self.doubtful.values():
            for change in changes:
                kept = _fate(change, dice)
                if kept is not None:
                    _apply(files, kept)
                elif isinstance(change, Deleted):
                    break  # the old file is back, so what was written to its successor is nowhere
        return {name: bytes(content) for name, content in files.items()}

    def worst(self) -> Files:
        """Return what is left when everything in doubt is lost."""
        return {name: bytes(content) for name, content in self.durable.items()}


def _fate(change: Change, dice: Random) -> Change | None:
    chance = dice.random()
    if chance < LOST:
        return None
    if chance < LOST + TORN and isinstance(change, Wrote):
        sectors = len(change.data) // SECTOR_BYTES
        cut = dice.randint(0, sectors) * SECTOR_BYTES
        if dice.random() < 0.5:
            return Wrote(change.file, change.offset, change.data[:cut])
        return Wrote(change.file, change.offset + cut, change.data[cut:])
    return change


def _apply(files: dict[str, bytearray], change: Change) -> None:
    match change:
        case Wrote(file, offset, data):
            content = files.setdefault(file, bytearray())
            if len(content) < offset:
                content.extend(bytes(offset - len(content)))
            content[offset : offset + len(data)] = data
        case Truncated(file, size):
            content = files.setdefault(file, bytearray())
            del content[size:]
            content.extend(bytes(size - len(content)))
        case Deleted(file):
            files.pop(file, None)


def images(events: Sequence[Event], count: int, dice: Random) -> Iterator[tuple[Files, dict[tuple[int, int], bytes]]]:
    """Yield `count` images, spread evenly over all moments, each with the records told durable before the cut."""
    platter = Platter()
    made = 0
    for at, event in enumerate(events, 1):
        platter.take(event)
        due = count * at // len(events)
        for _ in range(due - made):
            yield platter.image(dice), dict(platter.told)
        made = due
