"""Keys of OSDP readers, given and rolled by the box against our mock reader: a cut at any step loses no reader."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cardcore.wire.messages import Command, CommandDone, CommandKind
from firmware_mocks.happenings import Happening
from firmware_mocks.osdp_reader import OsdpReader
from firmware_mocks.osdp_reader import ReaderSettings as MockSettings
from reader_daemon.blocking import run_here
from reader_daemon.device_watch import Happened
from reader_daemon.messages import SecurityAlarm
from reader_daemon.protocols.osdp.codes import CommandCode
from reader_daemon.protocols.osdp.crypto import DEFAULT_KEY
from reader_daemon.protocols.osdp.health import InstallModeClosed, KeyRolled, ReaderIdentified
from reader_daemon.reader_keys import ReaderKeys
from reader_daemon.store.reader_keys import FILE_NAME, HeldKeys, ReaderKeyFile
from reader_daemon.store.sqlite_file import StoreUnusableError
from tests.reader_daemon.protocols.osdp.scripted_reader import ScriptedReader
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS, VirtualBus
from tests.reader_daemon.virtual_time import CountingIds

BENCH_KEY = KEYS[9]
STEP_MS = 20
MOST_MESSAGES = 13
"""More than a key takes, both ways, from the order to the session that proves it."""


class Drawn(CountingIds):
    """Draws keys as a CSPRNG would, the same in each run."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)

    def random_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


class MockOnTheLine(ScriptedReader):
    """Stands the mock where the virtual bus expects a scripted reader."""

    def __init__(self, settings: MockSettings) -> None:
        super().__init__(5, KEYS[0])
        self.happenings: list[Happening] = []
        self.mock = OsdpReader("gate", settings, Random(3).randbytes, self.happenings.append)

    def receive(self, received: bytes, ms: int) -> bytes:
        return self.mock.feed(received, ms)


class Box:
    """A daemon's half of the bus: stored keys, the panel, and the messages that still cross the line."""

    def __init__(self, directory: Path, reader: MockOnTheLine, began_ms: int, configured: bytes | None = None) -> None:
        self.file = ReaderKeyFile(directory)
        self.keys = ReaderKeys(self.file, Drawn(began_ms))
        settings = self.keys.settings("gate", 5, configured)
        self.bus = VirtualBus([reader], [settings], began_ms)
        self.reader = reader
        self.happened: list[Happened] = []
        self.keys.serve((settings,), {"gate": configured}, self)
        self.keys.bind(asyncio.get_running_loop(), run_here, self.happened.append)
        self.crossing = 1_000_000
        self._seen = 0
        self.bus.to_readers = self.bus.to_panel = self._carry

    def _carry(self, message: bytes) -> bytes:
        self.crossing -= 1
        return message if self.crossing >= 0 else b""

    def roll_key(self, reader: str, new_key: bytes) -> None:
        self.bus.panel.roll_key(reader, new_key)

    def open_install_mode(self, reader: str, new_key: bytes, duration_ms: int) -> None:
        self.bus.panel.open_install_mode(reader, new_key, duration_ms, self.bus.now)

    def confirm_identity(self, reader: str) -> None:
        self.bus.panel.confirm_identity(reader, self.bus.now)

    async def order(self, kind: CommandKind, minutes: int = 0) -> CommandDone:
        return await self.keys.order(Command("n", kind, "gate", 0, "staff:a", "test", minutes))

    async def run(self, duration_ms: int) -> None:
        """Let time pass on the line, and let the box write down what became of keys."""
        writing = asyncio.create_task(self.keys.run())
        until = self.bus.ms + duration_ms
        while self.bus.ms < until:
            self.bus.run(STEP_MS)
            late = self.reader.mock.advance(self.bus.ms)
            assert not late
            for _, event in self.bus.events[self._seen :]:
                if isinstance(event, KeyRolled | InstallModeClosed | ReaderIdentified):
                    self.keys.sink(event)
            if self._seen != len(self.bus.events):
                self._seen = len(self.bus.events)
                for _ in range(6):
                    await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    @property
    def held(self) -> HeldKeys:
        held = self.file.get("gate")
        assert held is not None
        return held

    def is_usable(self) -> bool:
        health = self.bus.health("gate")
        return health.online and health.secure

    def events(self) -> list[str]:
        return [one.event for one in self.happened]

    def keys_sent(self) -> int:
        return sum(frame.code == CommandCode.KEYSET for _, frame in self.bus.sent)


def blank() -> MockOnTheLine:
    """Return a reader as it comes out of its box: on the public default key."""
    return MockOnTheLine(MockSettings(5, None, install_mode=True))


def keyed(key: bytes = BENCH_KEY, serial: int = 0x11223344) -> MockOnTheLine:
    return MockOnTheLine(MockSettings(5, key, serial=serial))


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def opens_with(directory: Path, reader: MockOnTheLine, key: bytes, at_ms: int) -> bool:
    """Whether a panel with this key alone gets a session."""
    (directory / "probe").mkdir(exist_ok=True)
    for old in (directory / "probe").iterdir():
        old.unlink()
    box = Box(directory / "probe", reader, at_ms, key)
    await box.run(600)
    return box.is_usable()


def test_a_blank_reader_gets_its_own_key_in_install_mode_only(tmp_path: Path) -> None:
    async def story() -> None:
        reader = blank()
        box = Box(tmp_path, reader, 1_000_000)
        await box.run(1_200)
        assert (box.keys.state("gate"), box.is_usable(), box.keys_sent()) == ("none", False, 0)
        assert (await box.order(CommandKind.ROLL_READER_KEY)).result == "refused"
        assert (await box.order(CommandKind.INSTALL_READER_KEY, minutes=11)).result == "refused"
        assert (await box.order(CommandKind.INSTALL_READER_KEY, minutes=10)).result == "done"
        assert box.keys.state("gate") == "installing"
        await box.run(1_200)
        assert box.is_usable()
        assert box.keys_sent() == 1
        assert box.held.current not in {None, DEFAULT_KEY}
        assert (box.held.pending, box.held.heard, box.keys.state("gate")) == (None, True, "heard")
        assert box.events() == ["install_mode_opened", "install_mode_closed", "reader_key_proven", "reader_identified"]
        assert box.happened[0].alarm
        assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0
        later = Box(tmp_path, reader, 1_100_000)
        await later.run(800)
        assert later.is_usable()
        assert later.held.current == box.held.current

    play(story)


def test_install_mode_ends_by_the_clock_and_gives_nothing_away(tmp_path: Path) -> None:
    async def story() -> None:
        silent = keyed(KEYS[3])
        box = Box(tmp_path, silent, 1_000_000)
        await box.order(CommandKind.INSTALL_READER_KEY, minutes=1)
        await box.run(60_100)
        assert box.events() == ["install_mode_opened", "install_mode_closed"]
        assert box.keys_sent() == 0
        assert not box.is_usable()

    play(story)


def test_a_key_is_rolled_and_the_old_one_is_dead(tmp_path: Path) -> None:
    async def story() -> None:
        reader = keyed()
        box = Box(tmp_path, reader, 1_000_000, BENCH_KEY)
        await box.run(800)
        assert box.keys.state("gate") == "own"
        assert (await box.order(CommandKind.ROLL_READER_KEY)).result == "done"
        assert box.held.current == BENCH_KEY  # kept until the new one is proven
        assert (await box.order(CommandKind.ROLL_READER_KEY)).result == "refused"
        await box.run(800)
        assert box.is_usable()
        assert (box.held.pending, box.held.heard) == (None, False)
        assert box.events()[-2:] == ["reader_key_sent", "reader_key_proven"]
        new = box.held.current
        assert new not in {None, BENCH_KEY}
        assert not await opens_with(tmp_path, reader, BENCH_KEY, 1_100_000)
        # The key file still holds the old key: what the box keeps counts, until somebody puts another file in.
        again = Box(tmp_path, reader, 1_200_000, BENCH_KEY)
        await again.run(800)
        assert again.is_usable()
        replaced = Box(tmp_path, keyed(KEYS[4], 0x55), 1_300_000, KEYS[4])
        await replaced.run(800)
        assert replaced.is_usable()
        assert replaced.held.identity is not None
        assert replaced.held.identity.serial == 0x55

    play(story)


@pytest.mark.parametrize("crossing", range(MOST_MESSAGES))
def test_a72_a_box_that_dies_after_any_message_of_a_roll_comes_back_with_one_working_key(
    tmp_path: Path, crossing: int
) -> None:
    async def story() -> None:
        reader = keyed()
        box = Box(tmp_path, reader, 1_000_000, BENCH_KEY)
        await box.run(800)
        await box.order(CommandKind.ROLL_READER_KEY)
        box.crossing = crossing
        await box.run(600)
        later = Box(tmp_path, reader, 1_020_000, BENCH_KEY)
        await later.run(1_200)
        assert later.is_usable()
        assert later.held.pending is None
        current = later.held.current
        assert current is not None
        assert await opens_with(tmp_path, reader, current, 1_100_000)
        assert (current == BENCH_KEY) is await opens_with(tmp_path, reader, BENCH_KEY, 1_200_000)
        assert not [alarm for alarm in later.bus.all(SecurityAlarm) if alarm.kind != "wrong_key"]

    play(story)


@pytest.mark.parametrize("crossing", range(MOST_MESSAGES))
def test_a72_a_box_that_dies_while_it_gives_the_first_key_loses_no_reader(tmp_path: Path, crossing: int) -> None:
    async def story() -> None:
        reader = blank()
        box = Box(tmp_path, reader, 1_000_000)
        await box.run(500)
        await box.order(CommandKind.INSTALL_READER_KEY, minutes=1)
        box.crossing = crossing
        await box.run(600)
        later = Box(tmp_path, reader, 1_020_000)
        await later.run(1_200)
        if not later.is_usable():  # the reader never took the key, or nobody knows: the same one again
            await later.order(CommandKind.INSTALL_READER_KEY, minutes=1)
            await later.run(1_200)
        assert later.is_usable()
        assert (later.held.pending, later.held.heard) == (None, True)

    play(story)


def test_a_second_installation_sends_the_same_key_again_for_the_reader_may_have_it(tmp_path: Path) -> None:
    async def story() -> None:
        reader = blank()
        box = Box(tmp_path, reader, 1_000_000)
        await box.order(CommandKind.INSTALL_READER_KEY, minutes=1)
        while box.keys_sent() == 0:
            await box.run(STEP_MS)
        later = Box(tmp_path, reader, 1_020_000)
        assert later.keys.state("gate") == "installing"
        await later.order(CommandKind.INSTALL_READER_KEY, minutes=1)
        await later.run(61_000)
        assert later.is_usable()
        assert later.held.pending is None

    play(story)


class PowerCut(BaseException):
    """The box is off."""


@pytest.mark.parametrize("nth", range(1, 9))
def test_a_cut_at_any_step_of_a_write_leaves_the_old_keys_or_the_new(
    tmp_path: Path, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ReaderKeyFile(tmp_path)
    file.put("other", HeldKeys(KEYS[1]))
    file.put("gate", HeldKeys(BENCH_KEY))
    left = nth

    def cutting(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise PowerCut
            if name == "write":
                descriptor, content = args
                return real(descriptor, bytes(content)[: max(1, len(content) // 2)])  # type: ignore[call-overload,arg-type]
            return real(*args, **named)

        monkeypatch.setattr(os, name, call)

    with monkeypatch.context() as patched:
        monkeypatch = patched
        for name in ("open", "write", "fsync", "replace"):
            cutting(name)
        with suppress(PowerCut):
            file.put("gate", HeldKeys(BENCH_KEY, KEYS[2]))
    after = ReaderKeyFile(tmp_path)
    assert after.get("gate") in {HeldKeys(BENCH_KEY), HeldKeys(BENCH_KEY, KEYS[2])}
    assert after.get("other") == HeldKeys(KEYS[1])
    after.put("gate", HeldKeys(KEYS[2]))
    assert ReaderKeyFile(tmp_path).get("gate") == HeldKeys(KEYS[2])


def test_a_full_disk_sends_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def story() -> None:
        reader = keyed()
        box = Box(tmp_path, reader, 1_000_000, BENCH_KEY)
        await box.run(800)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            done = await box.order(CommandKind.ROLL_READER_KEY)
        assert (done.result, "No space" in done.detail) == ("refused", True)
        await box.run(500)
        assert (box.keys_sent(), box.held) == (
            0,
            HeldKeys(BENCH_KEY, identity=box.held.identity, origin=box.held.origin),
        )

    play(story)


def test_a72_another_reader_under_the_right_key_is_not_used_until_a_person_confirms_it(tmp_path: Path) -> None:
    async def story() -> None:
        box = Box(tmp_path, keyed(), 1_000_000, BENCH_KEY)
        await box.run(800)
        pinned = box.held.identity
        assert pinned is not None
        swapped = Box(tmp_path, keyed(serial=0x99), 1_100_000, BENCH_KEY)
        await swapped.run(1_200)
        assert not swapped.is_usable()
        assert "identity_changed" in swapped.bus.alarms()
        assert swapped.held.identity is not None
        assert swapped.held.identity.serial == pinned.serial
        assert (await swapped.order(CommandKind.CONFIRM_READER)).result == "done"
        await swapped.run(1_200)
        assert swapped.is_usable()
        assert swapped.held.identity is not None
        assert swapped.held.identity.serial == 0x99
        later = Box(tmp_path, keyed(), 1_200_000, BENCH_KEY)
        await later.run(1_200)
        assert not later.is_usable()  # the first one is the stranger now

    play(story)


def test_damaged_or_public_keys_stop_the_start(tmp_path: Path) -> None:
    file = ReaderKeyFile(tmp_path)
    file.put("gate", HeldKeys(BENCH_KEY))
    path = tmp_path / FILE_NAME
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(StoreUnusableError, match="damaged"):
        ReaderKeyFile(tmp_path)
    path.write_bytes(content)
    path.chmod(0o640)
    with pytest.raises(StoreUnusableError, match="chmod 600"):
        ReaderKeyFile(tmp_path)
    assert BENCH_KEY.hex() not in repr(file.get("gate"))
