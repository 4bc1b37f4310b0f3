"""Running a plant in the foreground: ports, control socket, signals, one line when ready.

Ends on SIGINT, SIGTERM or the order `stop`; the ports' paths and the socket are gone afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable

from firmware_mocks.plant.control import PlantControl
from firmware_mocks.plant.plant import Plant
from firmware_mocks.plant.plant_file import PlantFile
from firmware_mocks.system import RandomBytes

_LEASH_BYTES = 4_096


async def run_plant(
    plant_file: PlantFile, random_bytes: RandomBytes, say: Callable[[str], None], leash: int | None = None
) -> None:
    """Run until told to stop. `say` gets one JSON line once everything is up.

    `leash` is a pipe's file descriptor: its end ends the plant, so that it does not outlive whoever started it.
    """
    plant = Plant(plant_file, random_bytes)
    control = PlantControl(plant, plant_file.control)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, control.stop_asked.set)
    if leash is not None:
        loop.add_reader(leash, _feel, leash, control)
    await control.start()
    try:
        plant.start()
        ports = {port.name: str(port.link) for port in plant.ports}
        say(json.dumps({"ready": True, "control": str(plant_file.control), "ports": ports}))
        await control.stop_asked.wait()
    finally:
        if leash is not None:
            loop.remove_reader(leash)
        plant.stop()
        await control.stop()


def _feel(leash: int, control: PlantControl) -> None:
    """Read the leash away; nothing more to read is its end."""
    if not os.read(leash, _LEASH_BYTES):
        asyncio.get_running_loop().remove_reader(leash)
        control.stop_asked.set()
