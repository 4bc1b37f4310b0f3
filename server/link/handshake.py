"""The first three frames of a link: challenge, hello, welcome. Both sides prove their keys, or the link ends here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import msgspec
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
from server.link.ports import OUTAGES, Channel, Devices, KnownDevice, Mark, Run
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
    """A daemon whose key was proven."""

    device: KnownDevice
    hello: Hello
    is_restored: bool = False
    """The server was restored and waits for what the devices refuse: it grants nothing yet."""
    knows_policy: bool = True
    """Whether the daemon's policy version is one of this generation's."""


async def introduce(
    channel: Channel, devices: Devices, run: Run, system: System, key: Ed25519PrivateKey
) -> Introduced | None:
    """Carry out the handshake; None when the peer was refused (it was told why).

    Nothing is written for a peer before its key is proven.
    """
    nonce = system.ids.random_bytes(NONCE_BYTES)
    await channel.send(codec.encode(Challenge(nonce, WIRE_VERSION, "", to_millis(system.clock.now()))))
    try:
        who = await _proven(channel, nonce, devices, run)
        if isinstance(who, Introduced):
            mark = await run(devices.open_epoch, who.device.link.id, who.hello.epoch)
            generation, is_restored = await run(devices.generation), await run(devices.is_restored)
            welcome = _welcome(who, mark, generation, system, key, state_wanted=is_restored)
            await channel.send(codec.encode(welcome))
            return Introduced(who.device, who.hello, is_restored, who.hello.generation in {"", generation})
    except OUTAGES as error:
        log.warning("link_database_down", error=repr(error)[:200])
        advice = "The server's database is down; taps are decided locally meanwhile."
        who = Goodbye(GoodbyeCode.BUSY, advice, RETRY_MS)
    log.warning("link_refused", code=who.code, advice=who.advice)
    await channel.send(codec.encode(who))
    await channel.close(who.code)
    return None


async def _proven(channel: Channel, nonce: bytes, devices: Devices, run: Run) -> Introduced | Goodbye:
    try:
        hello = codec.decode_for_server(await asyncio.wait_for(channel.receive(), HELLO_SECONDS))
    except TimeoutError:
        return Goodbye(GoodbyeCode.PROTOCOL, "No hello came within 5 s; is this a reader daemon?")
    if not isinstance(hello, Hello):
        return Goodbye(GoodbyeCode.PROTOCOL, "The first frame must be a hello; is this a reader daemon?")
    if hello.wire_version < OLDEST_WIRE_VERSION:
        advice = f"This server speaks wire versions from {OLDEST_WIRE_VERSION}; update the reader daemon."
        return Goodbye(GoodbyeCode.VERSION, advice)
    device = await _known(hello, devices, run)
    if device is None:
        advice = "This server does not know the device. Enrol it: onecard device code NAME, then onecard-reader enrol."
        return Goodbye(GoodbyeCode.UNKNOWN_DEVICE, advice)
    if not signing.verified(device.public_key, hello.signature, signing.hello_bytes(nonce, hello)):
        log.warning("link_wrong_key", device=str(device.link.id), name=device.name)
        advice = "The device key does not match the enrolled one. Enrol the device again: onecard device code NAME."
        return Goodbye(GoodbyeCode.WRONG_KEY, advice)
    if device.link.revoked_at is not None:
        advice = "This device was revoked. Enrol it again with a new code: onecard device code NAME."
        return Goodbye(GoodbyeCode.REVOKED, advice)
    return Introduced(device, hello)


async def _known(hello: Hello, devices: Devices, run: Run) -> KnownDevice | None:
    try:
        device_id = DeviceId(UUID(hello.device))
    except ValueError:
        return None
    numbers = (hello.last_seq, hello.acked_through, hello.policy_version, hello.deny_version)
    if not 0 < hello.epoch <= MAX_EPOCH or min(numbers) < 0:
        return None
    return await run(devices.known, device_id)


def _welcome(
    who: Introduced, mark: Mark, generation: str, system: System, key: Ed25519PrivateKey, *, state_wanted: bool
) -> Welcome:
    welcome = Welcome(
        generation=generation,
        acked_through=mark.acked_through,
        head_hash=mark.head_hash,
        wire_version=min(WIRE_VERSION, who.hello.wire_version),
        server_time_ms=to_millis(system.clock.now()),
        credit=UPLOAD_CREDIT,
        new_epoch_wanted=mark.acked_through > who.hello.last_seq,
        state_wanted=state_wanted,
    )
    proof = signing.sign(key, signing.welcome_bytes(who.hello.nonce, who.hello.device, welcome))
    return msgspec.structs.replace(welcome, signature=proof)
