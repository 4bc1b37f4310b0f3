"""The reserve on the disk: given up when the disk is full, taken again once there is room to spare."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reader_daemon.store.ballast import Ballast

SIZE_BYTES = 128 * 1024


def test_it_is_renewed_only_when_the_disk_has_room_to_spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ballast = Ballast(tmp_path / "ballast", SIZE_BYTES)
    assert ballast.take()
    ballast.drop()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=SIZE_BYTES * 3))
    assert not ballast.renew()
    assert not (tmp_path / "ballast").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=SIZE_BYTES * 5))
    assert ballast.renew()
    assert (tmp_path / "ballast").stat().st_size == SIZE_BYTES
    assert ballast.renew()
