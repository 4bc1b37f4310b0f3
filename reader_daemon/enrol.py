"""Enrolment: a one-time code for an identity. The daemon makes its own keys; the private one never leaves it.

The only HTTP request of the daemon; plain standard library, run it outside an event loop.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from cardcore.ids import IdSource
from reader_daemon.identity import IDENTITY_FILE, KEY_BYTES, Identity, save_identity

ENROL_PATH = "/device/enrol"
TIMEOUT_SECONDS = 15.0
MAX_ANSWER_BYTES = 64 * 1024
DIRECTORY_MODE = 0o700


class EnrolError(Exception):
    """The server did not enrol this device; the message says what to do."""


class EnrolAnswer(Struct, frozen=True):
    """What the server says of the new device."""

    device: str
    site: str
    server_key: str
    """Ed25519 public key, hex."""
    name: str


def enrol(server_url: str, ca_file: Path | None, code: str, directory: Path, ids: IdSource, software: str) -> Identity:
    """Enrol with a one-time code and write the identity file; raises EnrolError. Never replaces an identity."""
    if (directory / IDENTITY_FILE).exists():
        msg = f"{directory / IDENTITY_FILE} is there already; move it away first if this device shall begin anew"
        raise EnrolError(msg)
    directory.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)  # first: a code is good for one question
    private_key = ids.random_bytes(KEY_BYTES)
    record_key = ids.random_bytes(KEY_BYTES)
    public_key = Ed25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()
    question = {
        "code": code.strip(),
        "public_key": public_key.hex(),
        "record_key": base64.b64encode(record_key).decode(),
        "software": software,
    }
    content = _post(server_url.replace("ws", "http", 1) + ENROL_PATH, question, ca_file)
    try:
        answer = msgspec.json.decode(content, type=EnrolAnswer)
        server_key = bytes.fromhex(answer.server_key)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        msg = f"what answers at {server_url} is no Onecard server: {error}"
        raise EnrolError(msg) from error
    if len(server_key) != KEY_BYTES:
        msg = f"the server's key has {len(server_key)} bytes, not {KEY_BYTES}"
        raise EnrolError(msg)
    identity = Identity(answer.device, answer.site, answer.name, private_key, record_key, server_key)
    save_identity(directory, identity)
    return identity


def _post(url: str, question: dict[str, str], ca_file: Path | None) -> bytes:
    request = urllib.request.Request(  # noqa: S310 - the settings allow http(s) only
        url, json.dumps(question).encode(), {"Content-Type": "application/json", "Accept": "application/json"}
    )
    tls = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=tls) if tls else urllib.request.HTTPHandler(),
    )
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return bytes(answer.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(MAX_ANSWER_BYTES).decode(errors="replace")
        msg = f"the server refused ({error.code}): {_detail(said)}; ask an administrator for a new code"
        raise EnrolError(msg) from error
    except (urllib.error.URLError, OSError) as error:
        msg = f"{url} cannot be reached: {error}"
        raise EnrolError(msg) from error


def _detail(said: str) -> str:
    try:
        problem = json.loads(said)
    except ValueError:
        return said[:200]
    return str(problem.get("detail") or problem.get("title") or said[:200]) if isinstance(problem, dict) else said[:200]
