"""A plant's state as JSON: what every device is, shows and counted. Reads only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from firmware_mocks.plant.bus_port import BusPort
from firmware_mocks.plant.plant import Plant
from firmware_mocks.plant.stations import Station


def plant_status(plant: Plant, now_ms: int) -> dict[str, Any]:
    """Return {"at_ms", "readers": [...], "buses": [...]}."""
    return {
        "at_ms": now_ms,
        "readers": [_station_status(station, now_ms) for station in plant.stations],
        "buses": [_port_status(port, now_ms) for port in plant.ports],
    }


def _station_status(station: Station, now_ms: int) -> dict[str, Any]:
    reader, body = station.reader, station.reader.body
    light = body.lamp.light(now_ms)
    status: dict[str, Any] = {
        "name": station.entry.name,
        "kind": station.entry.kind.value,
        "bus": station.entry.bus,
        "address": reader.address,
        "online": reader.is_online,
        "secure": reader.is_secure,
        "lamp": light.colour,
        "blinking": light.blinking,
        "display": body.display.rows(now_ms),
        "inputs": list(body.inputs),
        "outputs": list(body.relays.states()),
        "queued": body.queued_reports,
        "faults": reader.faults.armed(),
        "counters": asdict(reader.counters) | asdict(body.counters),
    }
    if station.turnstile is not None:
        status["lane"] = asdict(station.turnstile.counters) | {"ready": station.turnstile.ready(now_ms)}
    return status


def _port_status(port: BusPort, now_ms: int) -> dict[str, Any]:
    return {"name": port.name, "path": str(port.link), "plugged": port.is_plugged, "cut": port.bus.is_cut(now_ms)}
