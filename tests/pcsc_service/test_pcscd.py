"""The PC/SC port on a real pcscd with virtual readers: the same contract as in memory."""

from __future__ import annotations

from firmware_mocks.virtual_card.card import STATUS_WRONG_LENGTH
from firmware_mocks.virtual_card.pkoc_card import PkocCard
from reader_daemon.transports.pcsc_service import UNSEEN
from tests.pcsc_service.conftest import LOOKS, PcscdBench
from tests.reader_daemon.transports.pcsc_contract import PcscContract


class TestThroughPcscd(PcscContract):
    """Inherits every test; `bench` is the fixture of this folder."""


def test_command_of_one_byte_does_not_hang_the_reader(bench: PcscdBench) -> None:
    bench.insert(0, PkocCard(1))
    context = bench.establish()
    look = UNSEEN
    for _ in range(LOOKS):
        look = context.wait(bench.names[0], look, 100) or look
        if look.present:
            break
    channel = context.connect(bench.names[0])
    try:
        assert channel.transmit(b"\x60") == STATUS_WRONG_LENGTH
    finally:
        channel.close()
        context.release()


def test_private_service_is_not_the_machines_own(bench: PcscdBench) -> None:
    context = bench.establish()
    try:
        assert set(context.readers()) == set(bench.names)
    finally:
        context.release()
