"""Who is connected to this server process: one session a device, newest wins; revocation and policy reach them here.

Nothing of this is the truth: another process knows its own sessions, and the database knows what was stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog

from cardcore.ids import DeviceId, SiteId
from cardcore.wire.messages import Command, CommandDone, Goodbye, GoodbyeCode
from server.link.answers import revoked
from server.link.ports import Devices, Policy, Run

log = structlog.get_logger()

POLL_SECONDS = 0.25
"""How often the database is looked at for what the bus should have brought; leaves most of I6's second to the rest."""


class LiveSession(Protocol):
    """A session as the directory sees it."""

    @property
    def device(self) -> DeviceId:
        """Whose session it is."""
        ...

    @property
    def site(self) -> SiteId:
        """The device's site."""
        ...

    async def end(self, goodbye: Goodbye) -> None:
        """Say goodbye and close."""
        ...

    def policy_moved(self) -> None:
        """Send what is new as soon as possible; returns at once."""
        ...

    async def command(self, command: Command) -> CommandDone | None:
        """Send a command and wait for its end, at most as long as it lives."""
        ...


class Directory:
    """The live sessions of this process."""

    def __init__(self, policy: Policy, devices: Devices, run: Run) -> None:
        """Take where policy versions and devices are read."""
        self._policy = policy
        self._devices = devices
        self._run = run
        self._sessions: dict[DeviceId, LiveSession] = {}
        self._versions: dict[SiteId, int] = {}

    def __len__(self) -> int:
        """Count the sessions."""
        return len(self._sessions)

    @property
    def connected(self) -> tuple[DeviceId, ...]:
        """Every device with a session here."""
        return tuple(self._sessions)

    async def join(self, session: LiveSession) -> bool:
        """Enter a session; an older one of the same device is ended. Returns whether there was one."""
        older = self._sessions.get(session.device)
        self._sessions[session.device] = session
        if older is not None:
            log.warning("link_replaced", device=str(session.device))
            advice = "Another connection with this identity took over. If there is only one such box, this is a new connection after a cut; otherwise enrol the copy anew."  # noqa: E501
            await older.end(Goodbye(GoodbyeCode.DUPLICATE, advice))
        return older is not None

    def leave(self, session: LiveSession) -> bool:
        """Remove a session that ended; returns whether it was still the device's own."""
        if self._sessions.get(session.device) is session:
            del self._sessions[session.device]
            return True
        return False

    async def revoke(self, device: DeviceId) -> None:
        """Close a revoked device's link at once."""
        session = self._sessions.get(device)
        if session is not None:
            await session.end(revoked())

    def device_changed(self, device: DeviceId) -> None:
        """Let a device's session look anew at what the device may do; returns at once."""
        session = self._sessions.get(device)
        if session is not None:
            session.policy_moved()

    def policy_moved(self, site: SiteId) -> None:
        """Tell every session of a site that policy has a newer version; returns at once."""
        for session in self._of(site):
            session.policy_moved()

    async def command(self, device: DeviceId, command: Command) -> CommandDone | None:
        """Send a command to a device that is connected here; None when it is not, or did not answer in time."""
        session = self._sessions.get(device)
        return await session.command(command) if session is not None else None

    async def watch(self) -> None:
        """Look at policy versions and revocations of whoever is connected, until cancelled.

        This is what keeps I6 where the bus is down or its message was lost.
        """
        failing = False
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._look()
                failing = False
            except Exception as error:  # noqa: BLE001 - the watch outlives any outage of the database
                if not failing:
                    log.warning("watch_failing", error=repr(error)[:200])
                failing = True

    async def _look(self) -> None:
        if not self._sessions:
            return
        for site in sorted({session.site for session in self._sessions.values()}):
            version = await self._run(self._policy.version, site)
            if version != self._versions.get(site):
                self._versions[site] = version
                self.policy_moved(site)
        for device in sorted(await self._run(self._devices.revoked, self.connected)):
            await self.revoke(device)

    async def close(self) -> None:
        """End every session because this process stops."""
        advice = "The server is restarting. Reconnect; taps are decided locally meanwhile."
        goodbye = Goodbye(GoodbyeCode.RESTARTING, advice, retry_after_ms=500)
        await asyncio.gather(*(session.end(goodbye) for session in tuple(self._sessions.values())))

    def _of(self, site: SiteId) -> Iterable[LiveSession]:
        return [session for session in self._sessions.values() if session.site == site]
