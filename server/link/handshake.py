"""The first three frames of a link: challenge, hello, welcome. Both sides prove their keys, or the link ends here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import msgspec
import psycopg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.clock import to_millis
from cardcore.ids import MAX_EPOCH, DeviceId
from cardcore.wire import codec, signing
from cardcore.wire.messages import (
    OLDEST_WIRE_VERSION,
    WIRE_VERSION,
    Challenge,
    Goodbye,
    GoodbyeCode,
    Hello,
    Welcome,
)
from server.database import DatabaseUnavailableError
from server.link.ports import Channel, Devices, KnownDevice, Mark, Run
from server.system import System

log = structlog.get_logger()

HELLO_SECONDS = 5.0
"""A peer that does not introduce itself within this time is dropped."""
NONCE_BYTES = 32
UPLOAD_CREDIT = 1_000
"""Records a daemon may have in flight: two full frames."""
RETRY_MS = 1_000
"""When a daemon is asked to come back after an outage of the database."""


@dataclass(frozen=True, slots=True)
class Introduced:
    """A daemon whose key was proven and whose journal is open."""

    device: KnownDevice
    hello: Hello


async def introduce(
    channel: Channel, devices: Devices, run: Run, system: System, key: Ed25519PrivateKey
) -> Introduced | None:
    """Carry out the handshake; None when the peer was refused (it was told why)."""
    nonce = system.ids.random_bytes(NONCE_BYTES)
    await channel.send(codec.encode(Challenge(nonce, WIRE_VERSION, "", to_millis(system.clock.now()))))
    try:
        hello = codec.decode_for_server(await asyncio.wait_for(channel.receive(), HELLO_SECONDS))
    except TimeoutError:
        await _refuse(channel, GoodbyeCode.PROTOCOL, "No hello came within 5 s.")
        return None
    if not isinstance(hello, Hello):
        await _refuse(channel, GoodbyeCode.PROTOCOL, "The first frame must be a hello.")
        return None
    if not hello.wire_version >= OLDEST_WIRE_VERSION:
        advice = f"This server speaks wire versions from {OLDEST_WIRE_VERSION}; update the reader daemon."
        await _refuse(channel, GoodbyeCode.VERSION, advice)
        return None
    try:
        device = await _known(hello, devices, run)
        mark = await run(devices.open_epoch, device.link.id, hello.epoch) if device else None
        generation = await run(devices.generation)
    except (psycopg.Error, DatabaseUnavailableError) as error:
        log.warning("link_database_down", error=repr(error)[:200])
        await _refuse(
            channel, GoodbyeCode.BUSY, "The server's database is down; taps are decided locally meanwhile.", RETRY_MS
        )
        return None
    if device is None or mark is None:
        advice = "This server does not know the device. Enrol it: onecard device code NAME, then onecard-reader enrol."
        await _refuse(channel, GoodbyeCode.UNKNOWN_DEVICE, advice)
        return None
    if not signing.verified(device.public_key, hello.signature, signing.hello_bytes(nonce, hello)):
        log.warning("link_wrong_key", device=str(device.link.id), name=device.name)
        advice = "The device key does not match the enrolled one. Enrol the device again with a new one-time code."
        await _refuse(channel, GoodbyeCode.WRONG_KEY, advice)
        return None
    if device.link.revoked_at is not None:
        advice = "This device was revoked. Enrol it again with a new one-time code."
        await _refuse(channel, GoodbyeCode.REVOKED, advice)
        return None
    who = Introduced(device, hello)
    await channel.send(codec.encode(_welcome(who, mark, generation, system, key)))
    return who


async def _known(hello: Hello, devices: Devices, run: Run) -> KnownDevice | None:
    try:
        device_id = DeviceId(UUID(hello.device))
    except ValueError:
        return None
    if not 0 < hello.epoch <= MAX_EPOCH or hello.last_seq < 0:
        return None
    return await run(devices.known, device_id)


def _welcome(who: Introduced, mark: Mark, generation: str, system: System, key: Ed25519PrivateKey) -> Welcome:
    welcome = Welcome(
        generation=generation,
        acked_through=mark.acked_through,
        head_hash=mark.head_hash,
        wire_version=min(WIRE_VERSION, who.hello.wire_version),
        server_time_ms=to_millis(system.clock.now()),
        credit=UPLOAD_CREDIT,
        new_epoch_wanted=mark.acked_through > who.hello.last_seq,
    )
    proof = signing.sign(key, signing.welcome_bytes(who.hello.nonce, who.hello.device, welcome))
    return msgspec.structs.replace(welcome, signature=proof)


async def _refuse(channel: Channel, code: GoodbyeCode, advice: str, retry_after_ms: int = 0) -> None:
    log.warning("link_refused", code=code, advice=advice)
    await channel.send(codec.encode(Goodbye(code, advice, retry_after_ms)))
    await channel.close(code)
