"""`onecard edge-keys`: give a device the reading key it needs without the server; list and revoke such keys."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cardcore.card_keys.roles import KeyRole
from cardcore.ids import DeviceId, SiteId
from cardcore.journal import Purpose
from server.cli.keys import asked_passphrase
from server.cli.opened import CLI_ACTOR, Opened, opened
from server.devices import repository as device_rows
from server.devices.models import DeviceState, DeviceStatus
from server.devices.register import Register
from server.keys.edge import Box, EdgeRefusal, edge_keys, make_edge_keys, revoke_edge_keys
from server.keys.key_file import FILE_NAME, KeyFileError, open_with_passphrase, read_key_file
from server.keys.memory import forbid_core_dumps
from server.secrets_file import load_secrets
from server.settings import Settings

USED_WRONGLY = 2
REFUSALS = {
    EdgeRefusal.NOT_FOR_THIS_DEVICE: "a till gets no gate key and a lane no canteen key",
    EdgeRefusal.NO_KEYS: "this site has no card keys: onecard keys ceremony",
    EdgeRefusal.REVOKED: "this device is revoked",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("make", help="write a key file that only one device can open")
    make.add_argument("device", help="the device's name")
    make.add_argument("--role", required=True, choices=["gate_read", "canteen_read"])
    make.add_argument("--out", type=Path, required=True, help="the file to write, 0600; copy it to the box")
    make.add_argument("--passphrase-file", type=Path, help="a file of 0600; asked for when left out")
    actions.add_parser("list", help="which devices were given a key, and what is still open")
    revoke = actions.add_parser("revoke", help="count a device's keys as lost")
    revoke.add_argument("device", help="the device's name")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    forbid_core_dumps()
    with opened(settings) as found:
        try:
            site = found.site(arguments.site)
            if arguments.action == "list":
                return _list(settings, found, site)
            device = _device(found, site, arguments.device)
            if device is None:
                return 1
            if arguments.action == "revoke":
                return _revoke(found, site, device)
            return _make(arguments, settings, found, site, device)
        except (KeyFileError, OSError) as error:
            print(f"onecard: {error}", file=sys.stderr)
            return 1


def _make(arguments: argparse.Namespace, settings: Settings, found: Opened, site: SiteId, device: DeviceStatus) -> int:
    file = open_with_passphrase(
        read_key_file(settings.data_dir / FILE_NAME), asked_passphrase(arguments, "passphrase of the card keys")
    )
    secrets = load_secrets(settings.data_dir, found.system.ids)
    known = Register(found.database, found.system, secrets).known(device.id)
    if known is None:
        print(f"onecard: there is no device {device.name}", file=sys.stderr)
        return 1
    purposes = frozenset(Purpose(purpose) for purpose in known.link.purposes)
    box = Box(device.id, purposes, known.link.record_key, device.state is DeviceState.ACTIVE)
    role = KeyRole(arguments.role)
    made = found.database.write(lambda session: make_edge_keys(session, found.system, site, file, box, role, CLI_ACTOR))
    if isinstance(made, EdgeRefusal):
        print(f"onecard: {REFUSALS[made]}", file=sys.stderr)
        return 1
    with os.fdopen(os.open(arguments.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        target.write(made)
    print(f"onecard: {arguments.out} opens on {device.name} alone. Whoever takes that box has the key of its role")
    return 0


def _list(settings: Settings, found: Opened, site: SiteId) -> int:
    masters = read_key_file(settings.data_dir / FILE_NAME).public.masters
    for key in found.database.read(lambda session: edge_keys(session, site, masters)):
        state = "revoked" if key.revoked_at else "held"
        advice = f"type: onecard keys rotate --role {key.role}, twice" if key.needs_rotation else ""
        epochs = ",".join(map(str, key.epochs))
        print(f"{key.name:<24} {key.role:<14} epochs {epochs:<8} {state:<8} {key.made_at:%Y-%m-%d}  {advice}".rstrip())
    return 0


def _revoke(found: Opened, site: SiteId, device: DeviceStatus) -> int:
    count = found.database.write(lambda session: revoke_edge_keys(session, found.system, site, device.id, CLI_ACTOR))
    print(f"onecard: {count} keys of {device.name} count as lost; `onecard edge-keys list` says what to do")
    return 0


def _device(found: Opened, site: SiteId, named: str) -> DeviceStatus | None:
    now = found.system.clock.now()
    devices = found.database.read(lambda session: device_rows.statuses(session, site, now, with_revoked=True))
    device = next((device for device in devices if named in {device.name, str(DeviceId(device.id))}), None)
    if device is None:
        print(f"onecard: there is no device {named}; type: onecard device list --all", file=sys.stderr)
    return device
