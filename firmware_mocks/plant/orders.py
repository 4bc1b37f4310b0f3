"""What can be done to a plant: one function an order of the control socket, from its fields to its answer.

No sockets here. Every order checks all its fields before it does anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firmware_mocks.happenings import Happening, Kind
from firmware_mocks.line_scanner.scanner import LineFault, low_frequency_line
from firmware_mocks.osdp_reader.bus import MAX_LATENCY_MS
from firmware_mocks.osdp_reader.faults import FOREVER, MAX_COUNT, MAX_DELAY_MS, Fault
from firmware_mocks.plant.cards import CARD_COUNT, STRANGER_COUNT, card_number, credential, product_of, ranges_document
from firmware_mocks.plant.fields import FieldError, Fields
from firmware_mocks.plant.plant import Plant
from firmware_mocks.plant.stations import Station
from firmware_mocks.plant.status import plant_status
from firmware_mocks.system import MILLISECONDS_PER_SECOND, monotonic_ms
from firmware_mocks.turnstile.mechanism import Direction, Person, Turnstile

MAX_SECONDS = 86_400
MAX_WALK_MS = 60_000
MAX_LOW_FREQUENCY_NUMBER = 2**40 - 1

Answer = dict[str, Any]
"""The fields of an answer besides id and ok."""


def _turnstile(station: Station) -> Turnstile:
    if station.turnstile is None:
        msg = f"{station.entry.name} is a {station.entry.kind}: there is no turnstile behind it"
        raise FieldError(msg)
    return station.turnstile


def _tap(plant: Plant, fields: Fields) -> Answer:
    """Present a card by index or by bits; optionally say what the person does when the arm is freed."""
    station = plant.station(fields.text("reader"))
    if fields.has("index"):
        bits, digits = card_number(fields.whole("index", 0, CARD_COUNT + STRANGER_COUNT - 1))
        card = bytes.fromhex(digits)
    else:
        bits, card = fields.whole("bits", 1, 1_024), fields.hex_bytes("card")
    person = Person(fields.whole_or_none("walk_ms", 0, MAX_WALK_MS)) if fields.has("walk_ms") else None
    fields.finish()
    now_ms = monotonic_ms()
    if person is not None:
        _turnstile(station).approach(person)
    elif station.turnstile is not None:
        station.turnstile.approach(None)
    queued = station.reader.body.present_card(bits, card, now_ms)
    plant.wake(station.entry.name)
    return {"at_ms": now_ms, "queued": queued}


def _keys(plant: Plant, fields: Fields) -> Answer:
    station, keys = plant.station(fields.text("reader")), fields.text("keys")
    fields.finish()
    now_ms = monotonic_ms()
    return {"at_ms": now_ms, "queued": station.reader.body.press_keys(keys, now_ms)}


def _scan(plant: Plant, fields: Fields) -> Answer:
    scanner_name = fields.text("scanner")
    scanner = plant.scanner(scanner_name)
    if fields.has("number"):
        text = low_frequency_line(fields.whole("number", 0, MAX_LOW_FREQUENCY_NUMBER))
    else:
        text = fields.text("text")
    fields.finish()
    now_ms = monotonic_ms()
    scanner.scan(text, now_ms)
    plant.wake(scanner_name)
    return {"at_ms": now_ms}


def _walk(plant: Plant, fields: Fields) -> Answer:
    turnstile = _turnstile(plant.station(fields.text("reader")))
    after_ms = fields.whole_or_none("after_ms", 0, MAX_WALK_MS)
    fields.finish()
    turnstile.set_policy(after_ms)
    return {}


def _force(plant: Plant, fields: Fields) -> Answer:
    name = fields.text("reader")
    turnstile = _turnstile(plant.station(name))
    direction = fields.text("direction", Direction.A)
    if direction not in set(Direction):
        msg = f"direction is {direction!r}; it must be a or b"
        raise FieldError(msg)
    fields.finish()
    turnstile.force(Direction(direction), monotonic_ms())
    plant.wake(name)
    return {}


def _set_lane(change: Callable[..., None]) -> Callable[[Plant, Fields], Answer]:
    def order(plant: Plant, fields: Fields) -> Answer:
        name, on = fields.text("reader"), fields.flag("on")
        turnstile = _turnstile(plant.station(name))
        fields.finish()
        change(turnstile, monotonic_ms(), on=on)
        plant.wake(name)
        return {}

    return order


def _tamper(plant: Plant, fields: Fields) -> Answer:
    station, on = plant.station(fields.text("reader")), fields.flag("on")
    fields.finish()
    station.reader.body.set_local_status(monotonic_ms(), tampered=on)
    return {}


def _power_fault(plant: Plant, fields: Fields) -> Answer:
    station, on = plant.station(fields.text("reader")), fields.flag("on")
    fields.finish()
    station.reader.body.set_local_status(monotonic_ms(), power_fault=on)
    return {}


def _power_cycle(plant: Plant, fields: Fields) -> Answer:
    name, seconds = fields.text("reader"), fields.number("seconds", 0, MAX_SECONDS, 1.0)
    station = plant.station(name)
    fields.finish()
    station.reader.power_cycle(monotonic_ms(), int(seconds * MILLISECONDS_PER_SECOND))
    plant.wake(name)
    return {}


def _wrong_key(plant: Plant, fields: Fields) -> Answer:
    """Give the reader a key nobody knows, or its own back."""
    station, on = plant.station(fields.text("reader")), fields.flag("on", default=True)
    fields.finish()
    key = plant.random_bytes(16) if on else station.entry.scbk
    station.reader.swap_key(key, monotonic_ms())
    return {}


def _fault(plant: Plant, fields: Fields) -> Answer:
    station = plant.station(fields.text("reader"))
    fault = _named(fields, Fault)
    count = fields.whole("count", FOREVER, MAX_COUNT, 1)
    delay_ms = fields.whole("delay_ms", 0, MAX_DELAY_MS, 0)
    fields.finish()
    station.reader.faults.arm(fault, count, delay_ms)
    _tell_fault(plant, station.entry.name, fault, count)
    return {"armed": station.reader.faults.armed()}


def _heal(plant: Plant, fields: Fields) -> Answer:
    station = plant.station(fields.text("reader"))
    fields.finish()
    station.reader.faults.clear()
    return {}


def _scanner_fault(plant: Plant, fields: Fields) -> Answer:
    name = fields.text("scanner")
    scanner = plant.scanner(name)
    fault = _named(fields, LineFault)
    count = fields.whole("count", 0, MAX_COUNT, 1)
    fields.finish()
    scanner.set_fault(fault, count)
    _tell_fault(plant, name, fault, count)
    return {}


def _named(fields: Fields, kind: type[Any]) -> Any:  # noqa: ANN401 - a member of `kind`
    name = fields.text("fault")
    known = [each.value for each in kind]
    if name not in known:
        msg = f"fault is {name!r:.60}; it must be one of {', '.join(known)}"
        raise FieldError(msg)
    return kind(name)


def _tell_fault(plant: Plant, device: str, fault: str, count: int) -> None:
    plant.tell(Happening(Kind.FAULT, device, monotonic_ms(), {"fault": fault, "count": count}))


def _cut(plant: Plant, fields: Fields) -> Answer:
    port, seconds = plant.port(fields.text("bus")), fields.number("seconds", 0, MAX_SECONDS)
    fields.finish()
    port.cut(seconds)
    plant.tell(Happening(Kind.LINE, port.name, monotonic_ms(), {"state": "cut", "seconds": seconds}))
    return {}


def _unplug(plant: Plant, fields: Fields) -> Answer:
    port, seconds = plant.port(fields.text("bus")), fields.number("seconds", 0, MAX_SECONDS)
    fields.finish()
    port.unplug(seconds)
    plant.tell(Happening(Kind.LINE, port.name, monotonic_ms(), {"state": "unplugged", "seconds": seconds}))
    return {}


def _noise(plant: Plant, fields: Fields) -> Answer:
    port, rate = plant.port(fields.text("bus")), fields.number("rate", 0, 1)
    seconds = fields.number("seconds", 0, MAX_SECONDS) if fields.has("seconds") else None
    fields.finish()
    port.noise(rate, seconds)
    return {}


def _latency(plant: Plant, fields: Fields) -> Answer:
    port, delay_ms = plant.port(fields.text("bus")), fields.whole("delay_ms", 0, MAX_LATENCY_MS)
    fields.finish()
    port.bus.set_latency(delay_ms)
    return {}


def _status(plant: Plant, fields: Fields) -> Answer:
    fields.finish()
    return plant_status(plant, monotonic_ms())


def _cards(plant: Plant, fields: Fields) -> Answer:
    """Return the ranges, and one card's number if its index is asked for."""
    answer: Answer = {"count": plant.file.cards, "ranges": ranges_document()}
    if fields.has("index"):
        index = fields.whole("index", 0, CARD_COUNT + STRANGER_COUNT - 1)
        bits, digits = card_number(index)
        answer |= {"bits": bits, "card": digits, "credential": credential(index), "product": product_of(index)}
    fields.finish()
    return answer


ORDERS: dict[str, Callable[[Plant, Fields], Answer]] = {
    "tap": _tap,
    "keys": _keys,
    "scan": _scan,
    "walk": _walk,
    "force": _force,
    "fire": _set_lane(Turnstile.set_fire),
    "lane_healthy": _set_lane(Turnstile.set_healthy),
    "lane_power": _set_lane(Turnstile.set_power),
    "tamper": _tamper,
    "power_fault": _power_fault,
    "power_cycle": _power_cycle,
    "wrong_key": _wrong_key,
    "fault": _fault,
    "heal": _heal,
    "scanner_fault": _scanner_fault,
    "cut": _cut,
    "unplug": _unplug,
    "noise": _noise,
    "latency": _latency,
    "status": _status,
    "cards": _cards,
}
"""Every order but `subscribe` and `stop`, which belong to the connection (`control`)."""
