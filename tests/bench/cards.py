"""What a secure card costs us: `python -m tests.bench.cards`. Prints our time a tap beside bare AES and CMAC.

The card is virtual and in the same process; its own time is measured and taken away. `--pcscd` adds a tap through a
private pcscd and the virtual reader (as root, or with user namespaces), the card's and the service's time included.
Figures belong to one machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cardcore.card_keys.roles import CardApplication, KeyRole
from cardcore.desfire.blocks import ZERO_BLOCK, cbc_decrypt, cbc_encrypt, cmac
from cardcore.desfire.diversify import diversify
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.vpcd_link import VpcdLink
from reader_daemon.protocols.card.desfire import desfire_dialogue
from reader_daemon.protocols.card.dialogue import run_dialogue
from reader_daemon.protocols.card.outcome import Assertion
from reader_daemon.protocols.card.personalise import PersonalisationOrder, Personalised, personalise
from reader_daemon.system import SystemClock
from reader_daemon.transports.pcsc_scard import pcsc_establish
from reader_daemon.transports.pcsc_service import UNSEEN, PcscContext, ServiceGone
from tests.cardcore.issuers import ED25519_ISSUER, sign_ed25519
from tests.pcsc_service.private_pcscd import PrivatePcscd
from tests.reader_daemon.protocols.card.site_cards import (
    UID,
    CardField,
    CountingKeys,
    credential_file,
    issued,
    reader,
)

ROUNDS = 300
LOOKS = 100
LOOK_MS = 100
CARDS = 5
KINDS = {"EV1 AES": (1, False), "EV2": (2, False), "LRP": (2, True)}


class TimedField(CardField):
    """Adds up the time inside the card."""

    card_seconds = 0.0

    def transmit(self, command: bytes) -> bytes:
        began = time.perf_counter()
        try:
            return super().transmit(command)
        finally:
            self.card_seconds += time.perf_counter() - began


def tap_ms(generation: int, *, lrp: bool) -> float:
    """Return the median of our time for one whole tap: key derivation, authentication, read, signature."""
    spent = []
    card = issued(generation=generation, lrp=lrp)
    for _ in range(ROUNDS):
        field = TimedField(card)
        dialogue = desfire_dialogue(reader())
        began = time.perf_counter()
        outcome = field.run(dialogue)
        whole = time.perf_counter() - began
        assert isinstance(outcome, Assertion), outcome
        spent.append((whole - field.card_seconds) * 1000)
    return statistics.median(spent)


def personalise_ms() -> float:
    """Return the median of our time for making a card with both applications and verifying it."""
    spent = []
    files = {place: credential_file(place) for place in (CardApplication.GATE, CardApplication.CANTEEN)}
    for _ in range(CARDS):
        field = TimedField(DesfireCard(UID))
        began = time.perf_counter()
        made = field.run(personalise(PersonalisationOrder(UID, files, dict.fromkeys(KeyRole, 1))))
        whole = time.perf_counter() - began
        assert isinstance(made, Personalised), made
        spent.append((whole - field.card_seconds) * 1000)
    return statistics.median(spent)


def floor_ms() -> float:
    """Return the bare arithmetic of an EV2 tap: 4 CBC runs, 2 IVs, 4 CMACs, one Ed25519 verification."""
    key, block, file = bytes(16), bytes(32), bytes(112)
    verify, signature = _verification()
    spent = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        cbc_encrypt(key, ZERO_BLOCK, block)
        cbc_decrypt(key, ZERO_BLOCK, block[:16])
        cbc_encrypt(key, ZERO_BLOCK, block)
        cbc_decrypt(key, ZERO_BLOCK, block)
        cbc_encrypt(key, ZERO_BLOCK, block[:16])
        cbc_decrypt(key, ZERO_BLOCK, file)
        for _ in range(4):
            cmac(key, block)
        verify(signature)
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


def _verification() -> tuple[Callable[[bytes], None], bytes]:
    public = Ed25519PublicKey.from_public_bytes(ED25519_ISSUER.public)
    signature = sign_ed25519(b"x" * 63)
    return (lambda shown: public.verify(shown, b"x" * 63)), signature


def over_pcscd_ms() -> tuple[float, float]:
    """Return median and 95th percentile of a whole EV2 tap through pcscd and the virtual reader."""
    service = PrivatePcscd()
    os.environ["PCSCLITE_CSOCK_NAME"] = str(service.socket_path)
    service.start()
    link = VpcdLink(issued(), lambda: service.connect(0))
    try:
        context = _connected(service)
        link.insert()
        look = UNSEEN
        while not look.present:
            look = context.wait(service.names[0], look, LOOK_MS) or look
        channel = context.connect(service.names[0])
        spent = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            outcome = run_dialogue(desfire_dialogue(reader()), channel.transmit, SystemClock(), 3_000, CountingKeys())
            assert isinstance(outcome, Assertion), outcome
            spent.append((time.perf_counter() - began) * 1000)
        channel.close()
        context.release()
    finally:
        link.remove()
        service.close()
    return statistics.median(spent), statistics.quantiles(spent, n=20)[-1]


def _connected(service: PrivatePcscd) -> PcscContext:
    """Return a context once the service answers."""
    establish = pcsc_establish()
    for _ in range(LOOKS):
        try:
            context = establish()
        except ServiceGone:
            time.sleep(LOOK_MS / 1000)
            continue
        if service.names[0] in context.readers():
            return context
        context.release()
        time.sleep(LOOK_MS / 1000)
    msg = f"pcscd did not start: {service.log()[-500:]}"
    raise RuntimeError(msg)


def derivations_a_second() -> float:
    """Return how many card keys one core derives."""
    master, m = bytes(16), bytes(24)
    began = time.perf_counter()
    for _ in range(ROUNDS * 10):
        diversify(master, m)
    return ROUNDS * 10 / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cards", description=__doc__)
    parser.add_argument("--pcscd", action="store_true", help="measure through a private pcscd as well")
    arguments = parser.parse_args()
    floor = floor_ms()
    print(f"floor, bare AES, CMAC and Ed25519 of an EV2 tap   {floor:8.3f} ms")
    for name, (generation, lrp) in KINDS.items():
        ours = tap_ms(generation, lrp=lrp)
        print(f"our time a tap, {name:<8} in process              {ours:8.3f} ms   {ours / floor:5.1f} x the floor")
    print(f"our time for personalising both applications      {personalise_ms():8.1f} ms")
    if arguments.pcscd:
        median, tail = over_pcscd_ms()
        print(f"a whole EV2 tap through pcscd, virtual reader     {median:8.2f} ms   p95 {tail:.1f} ms")
    print(f"key derivations, one core                         {derivations_a_second():8.0f} /s")


if __name__ == "__main__":
    main()
