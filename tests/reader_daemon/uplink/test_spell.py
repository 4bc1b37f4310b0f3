"""A server that opens every link and takes no upload: one record of it, not one a try."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cardcore.journal import DeviceEvent
from cardcore.wire.codec import encode
from cardcore.wire.messages import Goodbye, GoodbyeCode, Upload
from reader_daemon.uplink.spell import LASTING_MS, Spell
from tests.reader_daemon.fake_server import FakeServer, Wire
from tests.reader_daemon.site import ANNA, Running, running, site_items
from tests.reader_daemon.virtual_time import VirtualClock, VirtualLoop, run_virtual


class TroubledServer(FakeServer):
    """Says `busy` to uploads while its database is in trouble."""

    troubled = False

    async def _answer(self, wire: Wire, message: object) -> None:
        if self.troubled and isinstance(message, Upload):
            await wire.send(encode(Goodbye(GoodbyeCode.BUSY, "the database is in trouble", 1_000)))
            return
        await super()._answer(wire, message)


def falls(site: Running) -> int:
    return sum(isinstance(body, DeviceEvent) and body.event == "link_down" for body in site.bodies())


def test_a_spell_of_refused_uploads_is_one_record_and_the_next_spell_another(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = TroubledServer(VirtualClock(loop))
        server.set_items(*site_items())
        async with running(loop, tmp_path, server) as site:
            for spell in (1, 2):
                server.troubled, before = True, server.sessions
                site.port.tap(ANNA)
                await asyncio.sleep(120)
                assert server.sessions - before > 10
                assert falls(site) == spell
                server.troubled = False
                await asyncio.sleep(60)
                assert site.daemon.journal.pending == 0

    run_virtual(main)


def test_a_link_that_held_long_falls_anew() -> None:
    spell = Spell()
    spell.opened(0)
    assert spell.begins(5)
    spell.opened(10)
    assert not spell.begins(10 + LASTING_MS - 1)
    spell.opened(LASTING_MS * 2)
    assert spell.begins(LASTING_MS * 3)
