"""From an entry of the plant file to a device on a bus: reader, and what stands behind it.

Building only; the plant owns what is built here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from firmware_mocks.happenings import Observer
from firmware_mocks.osdp_reader.bus import BusDevice
from firmware_mocks.osdp_reader.reader import OsdpReader
from firmware_mocks.osdp_reader.settings import ReaderSettings
from firmware_mocks.plant.plant_file import ReaderEntry, ReaderKind
from firmware_mocks.system import RandomBytes
from firmware_mocks.till_reader.till import TillReader
from firmware_mocks.turnstile.lane import TurnstileLane
from firmware_mocks.turnstile.mechanism import Turnstile
from firmware_mocks.turnstile.timing import BARRIER, TRIPOD


@dataclass(frozen=True, slots=True)
class Station:
    """One reader of the plant with what stands behind it."""

    entry: ReaderEntry
    reader: OsdpReader
    device: BusDevice
    turnstile: Turnstile | None = None


def build_station(entry: ReaderEntry, random_bytes: RandomBytes, observe: Observer) -> Station:
    """Build the device of one entry. Its serial number follows from its name, so that it is the same at every start."""
    settings = ReaderSettings(
        address=entry.address,
        scbk=entry.scbk,
        install_mode=entry.install_mode,
        serial=zlib.crc32(entry.name.encode()),
    )
    reader = OsdpReader(entry.name, settings, random_bytes, observe)
    match entry.kind:
        case ReaderKind.TURNSTILE | ReaderKind.BARRIER:
            timing = TRIPOD if entry.kind is ReaderKind.TURNSTILE else BARRIER
            turnstile = Turnstile(entry.name, timing, observe)
            return Station(entry, reader, TurnstileLane(reader, turnstile), turnstile)
        case ReaderKind.TILL:
            return Station(entry, reader, TillReader(reader))
        case ReaderKind.READER:
            return Station(entry, reader, reader)
