"""A card whose proof takes far too long is an alarm and is served as any other: a relay cannot be proved."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cardcore.journal import DeviceEvent
from reader_daemon.desk import SLOW_CARD_MS
from tests.reader_daemon.site import ANNA, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual


def test_a_slow_card_is_an_alarm_and_a_quick_one_is_not(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.tap(ANNA, card_ms=SLOW_CARD_MS)
            await asyncio.sleep(30)
            assert not alarms(site.bodies())
            site.port.tap(ANNA, card_ms=SLOW_CARD_MS + 1)
            await asyncio.sleep(30)
            (alarm,) = alarms(site.bodies())
            assert alarm.alarm
            assert str(ANNA) not in alarm.detail
            assert len(site.port.pulses()) == 2

    run_virtual(main)


def alarms(bodies: list[object]) -> list[DeviceEvent]:
    return [body for body in bodies if isinstance(body, DeviceEvent) and body.event == "card_slow"]
