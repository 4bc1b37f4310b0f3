"""`onecard-mock`: start a mock device, the whole reference site, or write its files.

Arguments and messages only; the devices are in their folders.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from firmware_mocks.plant.cards import write_cards
from firmware_mocks.plant.control import SocketTakenError
from firmware_mocks.plant.plant_file import (
    MAX_ADDRESS,
    PlantFile,
    PlantFileError,
    load_plant_file,
    parse_plant,
    plant_document,
)
from firmware_mocks.plant.reference_site import reference_plant
from firmware_mocks.plant.running import run_plant
from firmware_mocks.system import random_bytes

_DEVICES = {"osdp-reader": "reader", "turnstile": "turnstile", "till": "till"}
_FAILED = 1


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["virtual-card"]:
        from firmware_mocks.virtual_card.cli import main as virtual_card_main

        return virtual_card_main(arguments[1:])
    try:
        return _run(_parser().parse_args(arguments))
    except (PlantFileError, SocketTakenError, OSError) as error:
        print(f"onecard-mock: {error}", file=sys.stderr)
        return _FAILED


def _run(arguments: argparse.Namespace) -> int:
    command: str = arguments.command
    if command == "cards":
        write_cards(arguments.json)
        print(f"wrote {arguments.json}")
        return 0
    if command == "plant-file":
        control = arguments.control or arguments.state_dir / "plant.sock"
        plant = reference_plant(arguments.state_dir, control, random_bytes)
        _write_private(arguments.out, json.dumps(plant_document(plant), indent=1) + "\n")
        print(f"wrote {arguments.out}")
        return 0
    plant = load_plant_file(arguments.file) if command == "plant" else _single_device(arguments)
    leash = sys.stdin.fileno() if arguments.until_stdin_ends else None
    asyncio.run(run_plant(plant, random_bytes, lambda line: print(line, flush=True), leash))
    return 0


def _single_device(arguments: argparse.Namespace) -> PlantFile:
    """Return a plant of one device."""
    name: str = arguments.name
    document: dict[str, object] = {
        "control": str(arguments.control or arguments.state_dir / "plant.sock"),
        "state_dir": str(arguments.state_dir),
        "readers": [],
    }
    if arguments.command == "scanner":
        document["scanners"] = [{"name": name}]
    else:
        document["readers"] = [
            {
                "name": name,
                "bus": name,
                "address": arguments.address,
                "kind": _DEVICES[arguments.command],
                "scbk": arguments.scbk,
                "install_mode": arguments.install_mode,
            }
        ]
    return parse_plant(document)


def _write_private(path: Path, text: str) -> None:
    """Write a file that holds keys: readable by its owner only."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onecard-mock", description="Mock devices for Onecard; see docs/mocks.md.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command, text in (
        ("osdp-reader", "an OSDP reader"),
        ("turnstile", "an OSDP reader with a turnstile behind it"),
        ("till", "an OSDP till reader with keypad and display"),
        ("scanner", "a serial line scanner (QR, 125 kHz)"),
    ):
        device = commands.add_parser(command, help=text, description=f"Run {text} on a pseudo terminal.")
        device.add_argument("--state-dir", type=Path, required=True, help="the port appears as STATE_DIR/ports/NAME")
        device.add_argument("--control", type=Path, help="control socket (default STATE_DIR/plant.sock)")
        device.add_argument("--name", default=command, help=f"the device's and its port's name (default {command})")
        if command != "scanner":
            device.add_argument("--address", type=int, default=0, help=f"OSDP address 0..{MAX_ADDRESS} (default 0)")
            device.add_argument("--scbk", help="key, 32 hex digits (default: none, clear text)")
            device.add_argument("--install-mode", action="store_true", help="open to SCBK-D until a KEYSET")
        _add_leash(device)
    plant = commands.add_parser("plant", help="a whole site from a plant file")
    plant.add_argument("file", type=Path, help="the plant file (JSON)")
    _add_leash(plant)
    plant_file = commands.add_parser("plant-file", help="write the reference site's plant file, with fresh keys")
    plant_file.add_argument("--out", type=Path, required=True)
    plant_file.add_argument("--state-dir", type=Path, required=True)
    plant_file.add_argument("--control", type=Path, help="control socket (default STATE_DIR/plant.sock)")
    cards = commands.add_parser("cards", help="write the reference site's card numbers")
    cards.add_argument("--json", type=Path, required=True, help="file to write")
    commands.add_parser("virtual-card", help="a virtual card for the virtual PC/SC reader", add_help=False)
    return parser


def _add_leash(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--until-stdin-ends", action="store_true", help="end when standard input ends (a parent's pipe)"
    )


if __name__ == "__main__":
    sys.exit(main())
