"""Brings the bus's hints to the links: policy has moved, a device was revoked. Missed hints are read from the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import UUID

import structlog

from cardcore.ids import DeviceId, SiteId
from server.bus.protocol import MISSED, Bus, BusMessage
from server.devices.service import DEVICE_TOPIC
from server.lanes.orders import Orders
from server.lanes.service import ORDER_TOPIC
from server.link.directory import Directory
from server.link.ports import OUTAGES, Devices, Run

POLICY_TOPIC = "policy"
ISSUING_TOPIC = "issuing"
MAX_ORDERS_AT_WORK = 64
"""Openings from afar that wait for their boxes at a time."""

log = structlog.get_logger(__name__)


class Listener:
    """Listens for as long as the process serves."""

    def __init__(self, bus: Bus, directory: Directory, devices: Devices, run: Run, orders: Orders) -> None:
        """Take the parts."""
        self._orders = orders
        self._at_work: set[asyncio.Task[None]] = set()
        self._bus = bus
        self._directory = directory
        self._devices = devices
        self._run = run

    async def serve(self) -> None:
        """Forward hints until cancelled."""
        with self._bus.subscribe(POLICY_TOPIC, DEVICE_TOPIC, ISSUING_TOPIC, ORDER_TOPIC) as hints:
            async for message in hints:
                try:
                    await self._heard(message)
                except Exception as error:  # noqa: BLE001 - an outage, or a hint of another version: the next may be fine
                    log.warning("hint_not_followed", topic=message.topic, error=repr(error)[:200])

    async def _heard(self, message: BusMessage) -> None:
        if message == MISSED:
            for device in self._directory.connected:
                await self._check(device)
            return
        if message.topic == POLICY_TOPIC:
            self._directory.policy_moved(SiteId(UUID(message.payload["site"])))
            return
        event = message.payload["payload"]
        if message.topic == ORDER_TOPIC:
            self._carry_out(event)
            return
        device = DeviceId(UUID(event["device"]))
        if message.topic == DEVICE_TOPIC and event["change"] == "revoked":
            await self._directory.revoke(device)
        else:
            self._directory.device_changed(device)

    def _carry_out(self, event: Mapping[str, str]) -> None:
        """Let an order go its way: the box may take a second to answer, and revocations must not wait for it."""
        if len(self._at_work) >= MAX_ORDERS_AT_WORK:
            log.warning("lane_order_dropped", order=event["order"])
            return
        task = asyncio.get_running_loop().create_task(self._order(event), name="lane-order")
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _order(self, event: Mapping[str, str]) -> None:
        try:
            await self._orders.heard(event)
        except OUTAGES as error:
            log.warning("lane_order_not_kept", order=event["order"], error=repr(error)[:200])

    async def _check(self, device: DeviceId) -> None:
        known = await self._run(self._devices.known, device)
        if known is None or known.link.revoked_at is not None:
            await self._directory.revoke(device)
        else:
            self._directory.policy_moved(known.link.site)
