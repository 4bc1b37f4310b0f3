"""The private PC/SC service, one for each test process, and a bench with two virtual slots for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from threading import Event

import pytest

from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.vpcd_link import VpcdLink
from reader_daemon.transports.pcsc_scard import pcsc_establish
from reader_daemon.transports.pcsc_service import UNSEEN, PcscContext, ServiceGone
from tests.pcsc_service.private_pcscd import PcscdUnavailable, PrivatePcscd

READERS = 8
"""Two slots each: as many readers as pcsc-lite takes."""
LOOKS = 200
LOOK_MS = 100
PAUSE = Event()
"""Never set: a service that is only starting has nothing to wait on."""


class PcscdBench:
    """See `tests.reader_daemon.transports.pcsc_contract.PcscBench`."""

    def __init__(self, service: PrivatePcscd) -> None:
        self._service = service
        self._cards: dict[int, VpcdLink] = {}
        self.names = service.names[0], service.names[1]
        self.all_names = service.names
        self.establish = pcsc_establish()

    def insert(self, slot: int, card: VirtualCard) -> None:
        link = VpcdLink(card, lambda: self._service.connect(slot))
        link.insert()
        self._cards[slot] = link

    def remove(self, slot: int) -> None:
        """Take the card away and wait until the driver's poll has seen it, as a slow hand would."""
        if slot in self._cards:
            self._cards.pop(slot).remove()
        self._until(self.all_names[slot], present=False)

    def stop_service(self) -> None:
        self._service.kill()

    def start_service(self) -> None:
        self._service.start()
        self.ready()

    def ready(self) -> None:
        """Return when the service answers and both slots are empty."""
        for name in self.names:
            self._until(name, present=False)

    def clear(self) -> None:
        for slot in tuple(self._cards):
            self.remove(slot)

    def _until(self, name: str, *, present: bool) -> None:
        for _ in range(LOOKS):
            try:
                context = self.establish()
            except ServiceGone:
                PAUSE.wait(LOOK_MS / 1000)
                continue
            try:
                if self._seen(context, name, present=present):
                    return
            finally:
                context.release()
        pytest.fail(f"{name}: present never became {present}; pcscd said: {self._service.log()[-2000:]}")

    def _seen(self, context: PcscContext, name: str, *, present: bool) -> bool:
        if name not in context.readers():
            context.wait(None, UNSEEN, LOOK_MS)
            return False
        look = context.wait(name, UNSEEN, LOOK_MS)
        if look is not None and look.present != present:
            look = context.wait(name, look, LOOK_MS)
        return look is not None and look.present == present


@pytest.fixture(scope="session")
def pcscd() -> Iterator[PrivatePcscd]:
    """Yield a private service for this test process; without one the tests fail, saying what to do."""
    try:
        service = PrivatePcscd(READERS)
    except PcscdUnavailable as unavailable:
        pytest.fail(str(unavailable), pytrace=False)
    os.environ["PCSCLITE_CSOCK_NAME"] = str(service.socket_path)
    service.start()
    yield service
    service.close()


@pytest.fixture
def bench(pcscd: PrivatePcscd) -> Iterator[PcscdBench]:
    made = PcscdBench(pcscd)
    made.ready()
    yield made
    made.clear()
