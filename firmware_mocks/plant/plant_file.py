"""The plant file: which devices stand on which bus, with which keys. Read, checked, written; nothing is started here.

Every error names the field and what is allowed, because a person or another program's author reads it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from firmware_mocks.plant.cards import CARD_COUNT

SCBK_BYTES = 16
MAX_ADDRESS = 0x7E
"""OSDP addresses are 0x00..0x7E; 0x7F is broadcast."""
MAX_READERS = 256
MAX_SCANNERS = 64
MAX_SOCKET_PATH_BYTES = 100
"""Linux allows 107 bytes in a Unix socket's address."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class PlantFileError(ValueError):
    """The plant file cannot be used; the message says which field and what is allowed."""


class ReaderKind(StrEnum):
    """What stands behind a reader."""

    READER = "reader"
    """Nothing: a reader on a wall, with a plain relay."""
    TURNSTILE = "turnstile"
    BARRIER = "barrier"
    TILL = "till"


@dataclass(frozen=True, slots=True)
class ReaderEntry:
    """One OSDP reader. `scbk` None = no key: it talks in clear text, and a KEYSET sets one."""

    name: str
    bus: str
    address: int
    kind: ReaderKind
    scbk: bytes | None
    install_mode: bool = False


@dataclass(frozen=True, slots=True)
class ScannerEntry:
    """One line scanner on its own port."""

    name: str
    port: str


@dataclass(frozen=True, slots=True)
class PlantFile:
    """A checked plant file."""

    control: Path
    state_dir: Path
    readers: tuple[ReaderEntry, ...]
    scanners: tuple[ScannerEntry, ...]
    cards: int

    @property
    def buses(self) -> tuple[str, ...]:
        """Names of the buses, in the order of the file."""
        return tuple(dict.fromkeys(reader.bus for reader in self.readers))

    def port_path(self, port: str) -> Path:
        """Return the stable path of a bus's or scanner's serial port."""
        return self.state_dir / "ports" / port


def load_plant_file(path: Path) -> PlantFile:
    """Read and check a plant file. Raises PlantFileError, also for an unreadable file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        msg = f"{path}: {error}"
        raise PlantFileError(msg) from error
    return parse_plant(document)


def parse_plant(document: object) -> PlantFile:
    """Check a plant document (the parsed JSON) and return it typed. Raises PlantFileError."""
    fields = _object(document, "plant file", {"control", "state_dir", "readers"}, {"scanners", "cards"})
    readers = tuple(_reader(each, f"readers[{i}]") for i, each in enumerate(_list(fields, "readers", MAX_READERS)))
    scanners = tuple(_scanner(each, f"scanners[{i}]") for i, each in enumerate(_list(fields, "scanners", MAX_SCANNERS)))
    plant = PlantFile(
        control=Path(_text(fields, "control", "control")),
        state_dir=Path(_text(fields, "state_dir", "state_dir")),
        readers=readers,
        scanners=scanners,
        cards=_whole(fields.get("cards", CARD_COUNT), "cards", 1, CARD_COUNT),
    )
    _check_together(plant)
    return plant


def plant_document(plant: PlantFile) -> dict[str, object]:
    """Return the JSON document of a plant; `parse_plant` of it gives the plant back."""
    return {
        "control": str(plant.control),
        "state_dir": str(plant.state_dir),
        "readers": [
            {
                "name": reader.name,
                "bus": reader.bus,
                "address": reader.address,
                "kind": reader.kind.value,
                "scbk": None if reader.scbk is None else reader.scbk.hex(),
                "install_mode": reader.install_mode,
            }
            for reader in plant.readers
        ],
        "scanners": [{"name": scanner.name, "port": scanner.port} for scanner in plant.scanners],
        "cards": plant.cards,
    }


def _reader(value: object, where: str) -> ReaderEntry:
    fields = _object(value, where, {"name", "bus", "address", "kind"}, {"scbk", "install_mode"})
    kinds = [each.value for each in ReaderKind]
    if fields["kind"] not in kinds:
        msg = f"{where}.kind: {fields['kind']!r} is not one of {', '.join(kinds)}"
        raise PlantFileError(msg)
    install_mode = fields.get("install_mode", False)
    if not isinstance(install_mode, bool):
        msg = f"{where}.install_mode: must be true or false"
        raise PlantFileError(msg)
    return ReaderEntry(
        name=_name(fields["name"], f"{where}.name"),
        bus=_name(fields["bus"], f"{where}.bus"),
        address=_whole(fields["address"], f"{where}.address", 0, MAX_ADDRESS),
        kind=ReaderKind(fields["kind"]),
        scbk=_key(fields.get("scbk"), f"{where}.scbk"),
        install_mode=install_mode,
    )


def _scanner(value: object, where: str) -> ScannerEntry:
    fields = _object(value, where, {"name"}, {"port"})
    name = _name(fields["name"], f"{where}.name")
    return ScannerEntry(name, _name(fields.get("port", name), f"{where}.port"))


def _check_together(plant: PlantFile) -> None:
    names = Counter([each.name for each in plant.readers] + [each.name for each in plant.scanners])
    places = Counter((each.bus, each.address) for each in plant.readers)
    ports = Counter([*plant.buses, *(each.port for each in plant.scanners)])
    keys = Counter(each.scbk for each in plant.readers if each.scbk is not None)
    for what, counted in (("name", names), ("bus and address", places), ("port", ports)):
        twice = next((each for each, count in counted.items() if count > 1), None)
        if twice is not None:
            msg = f"{what} {twice!r} is used twice"
            raise PlantFileError(msg)
    if any(count > 1 for count in keys.values()):
        msg = "two readers share one scbk: every reader has its own key"
        raise PlantFileError(msg)
    if not names:
        msg = "a plant needs a reader or a scanner"
        raise PlantFileError(msg)
    if len(str(plant.control).encode()) > MAX_SOCKET_PATH_BYTES:
        msg = f"control: a Unix socket's path holds at most {MAX_SOCKET_PATH_BYTES} bytes"
        raise PlantFileError(msg)


def _object(value: object, where: str, needed: set[str], allowed: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = f"{where}: must be an object"
        raise PlantFileError(msg)
    missing, unknown = needed - value.keys(), value.keys() - needed - allowed
    if missing or unknown:
        parts = [f"{each} is missing" for each in sorted(missing)] + [f"{each} is unknown" for each in sorted(unknown)]
        msg = f"{where}: {', '.join(parts)}; fields are {', '.join(sorted(needed | allowed))}"
        raise PlantFileError(msg)
    return value


def _list(fields: dict[str, Any], name: str, limit: int) -> list[object]:
    value = fields.get(name, [])
    if not isinstance(value, list) or len(value) > limit:
        msg = f"{name}: must be a list of at most {limit}"
        raise PlantFileError(msg)
    return value


def _text(fields: dict[str, Any], name: str, where: str) -> str:
    value = fields[name]
    if not isinstance(value, str) or not value:
        msg = f"{where}: must be a path"
        raise PlantFileError(msg)
    return value


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        msg = f"{where}: {value!r} must be 1..32 of a-z, 0-9 and -"
        raise PlantFileError(msg)
    return value


def _whole(value: object, where: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        msg = f"{where}: {value!r} must be a whole number {low}..{high}"
        raise PlantFileError(msg)
    return value


def _key(value: object, where: str) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{32}", value):
        return bytes.fromhex(value)
    msg = f"{where}: must be {2 * SCBK_BYTES} hex digits, or null for no key"
    raise PlantFileError(msg)
