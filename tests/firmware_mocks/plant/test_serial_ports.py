"""The plant's lines are raw serial ports: every byte passes, cuts are silent, real files are never replaced."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from firmware_mocks.pty_line import PtyLine
from tests.firmware_mocks.plant.running_plant import connected, running, small_plant


def test_every_byte_passes_both_ways(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "ports" / "x")
    every = bytes(range(256))
    port = os.open(tmp_path / "ports" / "x", os.O_RDWR | os.O_NOCTTY)
    os.write(port, every)
    assert line.read() == every
    assert line.write(every) == 256
    assert os.read(port, 1_024) == every
    os.close(port)
    line.close()
    assert not (tmp_path / "ports" / "x").is_symlink()


def test_the_line_outlives_the_panels_closing(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "x")
    for _ in range(2):
        port = os.open(tmp_path / "x", os.O_RDWR | os.O_NOCTTY)
        os.write(port, b"a")
        assert line.read() == b"a"
        os.close(port)
    assert line.read() == b""
    line.close()


def test_bytes_nobody_reads_are_lost_and_nothing_blocks(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "x")
    taken = [line.write(b"x" * 1_024) for _ in range(100)]
    assert taken[-1] == 0
    line.drop_unread()
    assert line.write(b"y") == 1
    line.close()


def test_a_real_file_in_the_way_is_kept(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("precious", encoding="utf-8")
    with pytest.raises(FileExistsError, match="is no link"):
        PtyLine(tmp_path / "x")
    assert (tmp_path / "x").read_text(encoding="utf-8") == "precious"


async def test_a_scan_comes_out_of_its_port_unless_the_line_is_cut(short_tmp: Path) -> None:
    async with running(small_plant(short_tmp / "scan")) as (plant, _), connected(plant.file.control) as client:
        port = os.open(plant.file.port_path("r01-qr"), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        arrived = asyncio.Event()
        asyncio.get_running_loop().add_reader(port, arrived.set)
        try:
            await client.do("cut", bus="r01-qr", seconds=60)
            await client.do("scan", scanner="r01-qr", text="LOST")
            await client.do("cut", bus="r01-qr", seconds=0)
            await client.do("scan", scanner="r01-qr", text="VISIT-7KQ2")
            await asyncio.wait_for(arrived.wait(), 10)
            assert os.read(port, 1_024) == b"VISIT-7KQ2\r\n"
        finally:
            asyncio.get_running_loop().remove_reader(port)
            os.close(port)
