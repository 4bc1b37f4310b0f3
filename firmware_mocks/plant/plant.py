"""All devices of a site in one event loop: who is where, and the stream of what happens.

It builds, starts and stops; what can be done to the devices is in `orders`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from firmware_mocks.happenings import Happening, Kind, Observer
from firmware_mocks.line_scanner.scanner import LineScanner
from firmware_mocks.osdp_reader.bus import MultiDropBus
from firmware_mocks.plant.bus_port import BusPort
from firmware_mocks.plant.plant_file import PlantFile
from firmware_mocks.plant.stations import Station, build_station
from firmware_mocks.system import RandomBytes

ANSWER_WINDOW_MS = 10_000
"""What a reader shows or does this long after a tap carries the time since that tap."""
_ANSWERS = frozenset({Kind.PULSE, Kind.TEXT, Kind.LAMP, Kind.BEEP, Kind.PASSAGE})
_Found = TypeVar("_Found")


class UnknownDeviceError(ValueError):
    """There is no device, bus or port of that name."""


class Plant:
    """The devices of one plant file."""

    def __init__(self, plant_file: PlantFile, random_bytes: RandomBytes) -> None:
        """Build everything; nothing is visible outside before `start`."""
        self.file = plant_file
        self.random_bytes = random_bytes
        self._observers: list[Observer] = []
        self._last_tap_ms: dict[str, int] = {}
        self._stations = {each.name: build_station(each, random_bytes, self._observe) for each in plant_file.readers}
        self._scanners = {
            each.name: LineScanner(each.name, random_bytes, self._observe) for each in plant_file.scanners
        }
        self._ports: dict[str, BusPort] = {}
        for bus in plant_file.buses:
            devices = [station.device for station in self._stations.values() if station.entry.bus == bus]
            self._add_port(bus, MultiDropBus(devices, random_bytes))
        for entry in plant_file.scanners:
            self._add_port(entry.port, MultiDropBus([self._scanners[entry.name]], random_bytes))
        self._port_of = {station.entry.name: station.entry.bus for station in self._stations.values()}
        self._port_of |= {entry.name: entry.port for entry in plant_file.scanners}

    def start(self) -> None:
        """Make the ports appear. Needs a running event loop."""
        for port in self._ports.values():
            port.start()

    def stop(self) -> None:
        """Take all ports away."""
        for port in self._ports.values():
            port.stop()

    @property
    def stations(self) -> tuple[Station, ...]:
        """All readers, in the order of the file."""
        return tuple(self._stations.values())

    @property
    def ports(self) -> tuple[BusPort, ...]:
        """All lines: the buses, then the scanners' ports."""
        return tuple(self._ports.values())

    def station(self, name: str) -> Station:
        """Return a reader. Raises UnknownDeviceError."""
        return _find(self._stations, name, "reader")

    def scanner(self, name: str) -> LineScanner:
        """Return a scanner. Raises UnknownDeviceError."""
        return _find(self._scanners, name, "scanner")

    def port(self, name: str) -> BusPort:
        """Return a bus or a scanner's port. Raises UnknownDeviceError."""
        return _find(self._ports, name, "bus")

    def wake(self, device: str) -> None:
        """Let the line of a device act at once, after something was done to the device."""
        self._ports[self._port_of[device]].wake()

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Tell `observer` everything from now on; returns what ends it."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def tell(self, happening: Happening) -> None:
        """Tell the subscribers of something that was done to the plant itself."""
        self._observe(happening)

    def _add_port(self, name: str, bus: MultiDropBus) -> None:
        self._ports[name] = BusPort(name, self.file.port_path(name), bus)

    def _observe(self, happening: Happening) -> None:
        if happening.kind is Kind.TAP:
            self._last_tap_ms[happening.device] = happening.at_ms
        elif happening.kind in _ANSWERS:
            tap_ms = self._last_tap_ms.get(happening.device)
            if tap_ms is not None and happening.at_ms - tap_ms <= ANSWER_WINDOW_MS:
                happening = replace(happening, detail={**happening.detail, "after_tap_ms": happening.at_ms - tap_ms})
        for observer in tuple(self._observers):
            observer(happening)


def _find(devices: dict[str, _Found], name: str, what: str) -> _Found:
    found = devices.get(name)
    if found is None:
        msg = f"no {what} is called {name!r}; there are {', '.join(devices) or 'none'}"
        raise UnknownDeviceError(msg)
    return found
