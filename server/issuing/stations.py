"""What a device's link asks about cards: keys of taps and encoders, and the jobs of its encoders.

Implements `server.link.ports.CardDesk`. While a card is in the making its serial number opens the issuing keys for that
station and that card alone, for at most two minutes; the database holds the job, memory only this permission.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from cardcore.card_keys.roles import KeyRole
from cardcore.ids import CredentialKey, DeviceId
from cardcore.journal import Purpose
from cardcore.wire.messages import (
    CardShown,
    Encode,
    EncoderCard,
    EncoderClose,
    EncoderDone,
    EncoderOpen,
    EncoderStep,
    KeyAsk,
    KeyTold,
    ToDaemon,
)
from server.database import Database
from server.issuing import service
from server.issuing.models import EncodingPlan, IssuingRefusal, JobId, Made, Shown
from server.keys.desk import KeyDesk
from server.keys.permission import Asker
from server.keys.service import KeyService
from server.link.ports import AboutCards
from server.system import System
from server.taps.arrivals import LinkDevice

LONGEST_MAKING_MS = 120_000
"""A card is made in seconds; a station that asks for keys longer than this has been left alone."""
MAX_UID_BYTES = 10
MAX_PROBLEM = 64
MAX_CREDENTIAL = 200

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Station:
    """What is remembered of a connected device."""

    keys: KeyDesk
    told: dict[str, str] = field(default_factory=dict)
    """Job by encoder, as the device was last told."""
    uid: bytes = b""
    since_ms: int = 0


class Stations:
    """One for a server process; called from worker threads."""

    def __init__(self, database: Database, keys: KeyService, system: System) -> None:
        """Take the parts."""
        self._database = database
        self._keys = keys
        self._system = system
        self._turn = threading.Lock()
        self._stations: dict[DeviceId, _Station] = {}

    def hear(self, device: LinkDevice, said: AboutCards) -> Sequence[ToDaemon]:
        """Answer a message about a card."""
        station = self._station(device)
        match said:
            case KeyAsk():
                return (KeyTold(said.id, station.keys.ask(self._asker(device, station), said.request)),)
            case EncoderCard():
                return (self._placed(device, station, said),)
            case EncoderStep():
                self._reached(device, said)
                return ()
            case EncoderDone():
                self._finished(device, station, said)
                return self.waiting(device)
            case CardShown():
                self._shown(device, said)
                return ()

    def waiting(self, device: LinkDevice) -> Sequence[ToDaemon]:
        """Return what has changed in what a device's encoders wait for."""
        station = self._station(device)
        rows = self._database.read(lambda session: service.open_jobs(session, device.id))
        now = {row["reader"]: str(row["id"]) for row in rows}
        opened = [EncoderOpen(job, reader) for reader, job in now.items() if station.told.get(reader) != job]
        closed = [EncoderClose(reader) for reader in station.told.keys() - now.keys()]
        station.told = now
        return (*opened, *closed)

    def left(self, device: DeviceId) -> None:
        """Forget a device whose link ended, and what it might do."""
        with self._turn:
            self._stations.pop(device, None)

    def _station(self, device: LinkDevice) -> _Station:
        with self._turn:
            if device.id not in self._stations:
                self._stations[device.id] = _Station(KeyDesk(self._keys, device.site, self._system))
            return self._stations[device.id]

    def _asker(self, device: LinkDevice, station: _Station) -> Asker:
        is_over = self._system.clock.monotonic_ms() - station.since_ms > LONGEST_MAKING_MS
        purposes = frozenset(Purpose(purpose) for purpose in device.purposes)
        return Asker(device.id, device.site, purposes, b"" if is_over else station.uid)

    def _placed(self, device: LinkDevice, station: _Station, said: EncoderCard) -> Encode:
        job = _job(said.job)
        if job is None or not 0 < len(said.uid) <= MAX_UID_BYTES:
            return Encode(said.job, said.uid[:MAX_UID_BYTES], refusal=IssuingRefusal.JOB_UNKNOWN)
        place = (device.site, device.id)
        plan = self._database.write(
            lambda session: service.card_placed(session, self._system, self._keys, place, job, said.uid)
        )
        if not isinstance(plan, EncodingPlan):
            return Encode(said.job, said.uid, refusal=plan)
        station.uid, station.since_ms = said.uid, self._system.clock.monotonic_ms()
        credentials = tuple((str(application), file) for application, file in plan.credentials)
        epochs = tuple((str(role), epoch) for role, epoch in plan.epochs)
        return Encode(said.job, said.uid, credentials, epochs, plan.overwrite)

    def _reached(self, device: LinkDevice, said: EncoderStep) -> None:
        job, place = _job(said.job), (device.site, device.id)
        if job is not None:
            self._database.write(lambda session: service.step_reached(session, self._system, place, job, said.step))

    def _shown(self, device: LinkDevice, said: CardShown) -> None:
        place, problem = (device.site, device.id), said.problem[:MAX_PROBLEM]
        credential = CredentialKey(said.credential[:MAX_CREDENTIAL])
        shown = Shown(said.reader[:MAX_PROBLEM], credential, problem)
        self._database.write(lambda session: service.card_shown(session, self._system, place, shown))

    def _finished(self, device: LinkDevice, station: _Station, said: EncoderDone) -> None:
        job, place = _job(said.job), (device.site, device.id)
        station.uid = b""
        if job is None:
            return
        verified = frozenset(KeyRole(role) for role in said.verified if role in set(KeyRole))
        made = Made(said.uid, said.result, said.detail, verified, said.was_torn)
        ended = self._database.write(lambda session: service.finish(session, self._system, place, job, made))
        log.info("card_made", device=str(device.id), job=str(job), result=said.result, ended=str(ended))


def _job(text: str) -> JobId | None:
    try:
        return JobId(UUID(text))
    except ValueError:
        return None
