"""A whole site on this machine for a test: real server, daemons, devices and PostgreSQL, torn down afterwards."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from server.demo.shifted import shift_to_before_lunch
from server.demo.site import DemoSite, empty_folder
from server.demo.story import Story
from server.system import SystemClock

LEAD_SECONDS = 6
"""Lunch begins about when the site has come up."""


@asynccontextmanager
async def running_site(folder: Path, seed: int = 1, ports: tuple[int, int] = (0, 0)) -> AsyncIterator[DemoSite]:
    """Run a site in `folder`; the end of a failed start is in the exception.

    `ports` are the server's and the one at which the daemons look for it; 0 = an unused one, and the server's own.
    """
    empty_folder(folder)
    shift = shift_to_before_lunch(SystemClock(), LEAD_SECONDS)
    site = DemoSite(folder, seed, shift, print, port=ports[0] or unused_port(), link_port=ports[1])
    try:
        await site.start()
        yield site
    finally:
        await site.stop()


def story_of(site: DemoSite, seed: int) -> Story:
    """Return a story on a running site whose server outage is the test's own business."""
    assert site.site is not None

    async def no_outage(_seconds: float) -> None:
        return

    return Story(
        site.plant.order, site.tally, site.site.holders, seed, site.lose_card, no_outage, print, site.charge_by
    )


def unused_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_postgres(folder: Path) -> int:
    """Kill every process of the cluster in `folder` at once, as a power cut would; return how many."""
    return signal_postgres(folder, signal.SIGKILL)


def signal_postgres(folder: Path, number: signal.Signals) -> int:
    """Send a signal to every process of the cluster in `folder`; return how many there are."""
    postmaster = int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    pids = [postmaster, *(int(pid) for pid in children)]
    for pid in pids:
        with suppress(ProcessLookupError):  # a backend may end of itself meanwhile
            os.kill(pid, number)
    return len(pids)
