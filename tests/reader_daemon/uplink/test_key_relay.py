"""Relay from the card to the key service over the real link: two questions a tap, no key in the daemon, link faults."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cardcore.card_keys.asks import BeginAuthentication, FinishAuthentication, KeyAnswer, KeyRefusal, KeyRefused
from cardcore.card_keys.roles import KeyRole
from cardcore.reasons import Reason
from cardcore.wire.codec import encode
from cardcore.wire.messages import KeyAsk, KeyTold
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from reader_daemon.protocols.card.desfire import desfire_dialogue
from reader_daemon.protocols.card.outcome import REFUSAL_REASONS, Assertion, SchemeOutcome
from tests.reader_daemon.fake_server import FakeServer, Wire
from tests.reader_daemon.protocols.card.site_cards import CountingKeys, card_key, issued, reader
from tests.reader_daemon.site import Running, running, site_items
from tests.reader_daemon.virtual_time import VirtualClock, VirtualLoop, run_virtual


class KeyServer(FakeServer):
    """Has a key service, which may fall silent."""

    mute = False

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.keys = CountingKeys()
        self.set_items(*site_items())

    async def _answer(self, wire: Wire, message: object) -> None:
        if isinstance(message, KeyAsk):
            if not self.mute:
                await wire.send(encode(KeyTold(message.id, self.keys.ask(message.request))))
            return
        await super()._answer(wire, message)


async def tap(site: Running, card: DesfireCard) -> SchemeOutcome:
    """Run the tap's dialogue; questions go through the daemon's own link."""
    card.power_on()
    dialogue = desfire_dialogue(reader())
    step = next(dialogue)
    try:
        while True:
            if isinstance(step, bytes):
                step = dialogue.send(card.answer(step))
            else:
                step = dialogue.send(await site.daemon.uplink.cards.ask_keys("t01", step))
    except StopIteration as ended:
        outcome: SchemeOutcome = ended.value
        return outcome


def refusal(answer: KeyAnswer) -> KeyRefusal:
    assert isinstance(answer, KeyRefused), answer
    return answer.refusal


def test_a_tap_over_the_link_takes_two_questions_and_the_daemon_never_sees_a_key(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = KeyServer(VirtualClock(loop))
        async with running(loop, tmp_path, server) as site:
            outcome = await tap(site, issued())
            assert isinstance(outcome, Assertion), outcome
        asked = [ask.request for ask in server.received if isinstance(ask, KeyAsk)]
        assert [type(request) for request in asked] == [BeginAuthentication, FinishAuthentication]
        secret = card_key(KeyRole.GATE_READ)
        assert secret not in b"".join(encode(ask) for ask in server.received if isinstance(ask, KeyAsk))

    run_virtual(main)


def test_a_silent_key_service_and_a_fallen_link_are_unavailable_in_time(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = KeyServer(VirtualClock(loop))
        async with running(loop, tmp_path, server) as site:
            server.mute = True
            began = loop.time()
            silent = await tap(site, issued())
            assert getattr(silent, "reason", None) is REFUSAL_REASONS[KeyRefusal.UNAVAILABLE] is Reason.KEYS_UNAVAILABLE
            assert loop.time() - began < 2
            waiting = asyncio.create_task(tap(site, issued()))
            await asyncio.sleep(0.1)
            server.down = True
            await server.drop()
            assert getattr(await waiting, "reason", None) is Reason.KEYS_UNAVAILABLE
            down = await site.daemon.uplink.cards.ask_keys("t01", _some(server))
            assert refusal(down) is KeyRefusal.UNAVAILABLE
            server.down, server.mute = False, False
            await asyncio.sleep(60)
            assert isinstance(await tap(site, issued()), Assertion)

    run_virtual(main)


def _some(server: KeyServer) -> BeginAuthentication:
    asked = [ask.request for ask in server.received if isinstance(ask, KeyAsk)]
    assert isinstance(asked[0], BeginAuthentication)
    return asked[0]
