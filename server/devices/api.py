"""`POST /device/enrol`: where a daemon turns its one-time code into an identity. For daemons only; takes no cookie."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

import msgspec
from fastapi import APIRouter, Request
from msgspec import Struct
from starlette.responses import Response

from cardcore.ids import DeviceId
from server.database import Database
from server.devices import service
from server.devices.models import EnrolledDevice, EnrolmentProblem
from server.devices.throttle import Throttle
from server.link.ports import Run
from server.problem import Problem, ProblemError
from server.secrets_file import ServerSecrets
from server.system import System

PATH = "/device/enrol"
MAX_BODY_BYTES = 4_096
MAX_CODE_CHARACTERS = 64
MAX_SOFTWARE_CHARACTERS = 100


class EnrolmentRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a daemon sends."""

    code: str
    public_key: str
    """Ed25519, 32 bytes, hex."""
    record_key: str
    """32 random bytes, base64; seals the records of this device's journal."""
    software: str = ""


class EnrolmentAnswer(Struct, frozen=True):
    """What a daemon keeps."""

    device: DeviceId
    site: str
    """The site's id as text: what signatures of policy are bound to."""
    server_key: str
    """Ed25519 public key of the server, hex, to pin."""
    name: str


_decoder = msgspec.json.Decoder(EnrolmentRequest)


def enrolment_router(
    database: Database,
    run: Run,
    system: System,
    secrets: ServerSecrets,
    nudge: Callable[[], None] = lambda: None,
) -> APIRouter:
    """Return the router; `nudge` wakes the outbox's pump."""
    router = APIRouter()
    throttle = Throttle(system.clock)

    @router.post(PATH)
    async def enrol(request: Request) -> Response:
        if "origin" in request.headers:
            raise ProblemError(Problem.BROWSER_REFUSED)
        if not throttle.allows(request.client.host if request.client else ""):
            raise ProblemError(Problem.TOO_MANY)
        asked = _read(await _body(request))
        keys = _keys(asked)
        result = await run(_enrol, database, system, secrets, asked, keys)
        if isinstance(result, EnrolmentProblem):
            raise ProblemError(Problem(result))
        nudge()
        answer = EnrolmentAnswer(result.device, str(result.site), result.server_key.hex(), result.name)
        return Response(msgspec.json.encode(answer), 201, {"Cache-Control": "no-store"}, "application/json")

    return router


def _enrol(
    database: Database, system: System, secrets: ServerSecrets, asked: EnrolmentRequest, keys: tuple[bytes, bytes]
) -> EnrolledDevice | EnrolmentProblem:
    software = asked.software[:MAX_SOFTWARE_CHARACTERS]
    return database.write(lambda session: service.enrol(session, system, secrets, asked.code, keys, software))


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ProblemError(Problem.NOT_JSON)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError(Problem.TOO_LARGE)
    return body


def _read(body: bytes) -> EnrolmentRequest:
    try:
        asked = _decoder.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ProblemError(Problem.UNUSABLE_INPUT, fields=["code", "public_key", "record_key", "software"]) from error
    if len(asked.code) > MAX_CODE_CHARACTERS:
        raise ProblemError(Problem.ENROLMENT_CODE_UNKNOWN)
    return asked


def _keys(asked: EnrolmentRequest) -> tuple[bytes, bytes]:
    try:
        return bytes.fromhex(asked.public_key), base64.b64decode(asked.record_key, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ProblemError(Problem.DEVICE_KEY_UNUSABLE) from error
