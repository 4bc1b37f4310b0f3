"""Writes a reader daemon's settings file and key files for the demo's devices, as an installer would by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BAUD = 38_400


def daemon_settings(folder: Path, name: str, port: int, readers: Sequence[str]) -> str:
    """Return the TOML of one daemon, and write the key files it names; `folder` holds the plant file."""
    plant = json.loads((folder / "plant.json").read_text())
    keys = folder / name / "keys"
    keys.mkdir(mode=0o700)
    lines = [
        f"# The demo's reader daemon {name}.",
        "[server]",
        f'url = "ws://127.0.0.1:{port}"',
        "",
        "[data]",
        f"dir = {json.dumps(str(folder / name / 'data'))}",
    ]
    mine = [reader for reader in plant["readers"] if reader["name"] in readers]
    for bus in dict.fromkeys(reader["bus"] for reader in mine):
        lines += _bus(folder, keys, bus, [reader for reader in mine if reader["bus"] == bus])
    for scanner in plant["scanners"]:
        beside = scanner["name"].partition("-")[0]
        if beside in readers:
            lines += [
                "",
                "[[scanner]]",
                f'name = "{scanner["name"]}"',
                f"path = {json.dumps(str(folder / 'plant' / 'ports' / scanner['port']))}",
                f'beside = "{beside}"',
            ]
    return "\n".join(lines) + "\n"


def _bus(folder: Path, keys: Path, bus: str, readers: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "[[osdp_bus]]",
        f'name = "{bus}"',
        f"path = {json.dumps(str(folder / 'plant' / 'ports' / bus))}",
        f"baud = {BAUD}",
    ]
    for reader in readers:
        key_file = keys / f"{reader['name']}.key"
        key_file.touch(mode=0o600)
        key_file.write_text(reader["scbk"] + "\n")
        lines += [
            "[[osdp_bus.reader]]",
            f'name = "{reader["name"]}"',
            f"address = {reader['address']}",
            f"key_file = {json.dumps(str(key_file))}",
        ]
    return lines
