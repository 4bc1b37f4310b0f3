"""Enrolment against a real HTTP server, and what an identity file must be like."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reader_daemon.enrol import EnrolError, enrol
from reader_daemon.identity import Identity, IdentityError, load_identity
from tests.reader_daemon.fake_server import DEVICE, SITE
from tests.reader_daemon.virtual_time import CountingIds

SERVER_KEY = "ab" * 32


class Office(BaseHTTPRequestHandler):
    """Answers POSTs with what the test set, and keeps the questions."""

    answer: tuple[int, bytes] = (200, b"")
    questions: list[tuple[str, dict[str, str]]] = []  # noqa: RUF012 - one office a test, emptied by the fixture

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        type(self).questions.append((self.path, json.loads(self.rfile.read(length))))
        status, content = type(self).answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        return


@pytest.fixture
def office() -> Iterator[str]:
    answer = {"device": DEVICE, "site": SITE, "server_key": SERVER_KEY, "name": "north gate"}
    Office.answer, Office.questions = (200, json.dumps(answer).encode()), []
    server = HTTPServer(("127.0.0.1", 0), Office)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"ws://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def ask(url: str, directory: Path) -> Identity:
    return enrol(url, None, " A1B2 ", directory, CountingIds(), "test 1")


def test_the_daemon_makes_its_own_keys_and_pins_the_servers(office: str, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    identity = ask(office, directory)
    [(path, question)] = Office.questions
    assert path == "/device/enrol"
    assert question["code"] == "A1B2"
    public = Ed25519PrivateKey.from_private_bytes(identity.private_key).public_key().public_bytes_raw()
    assert question["public_key"] == public.hex()
    assert base64.b64decode(question["record_key"]) == identity.record_key
    assert identity.private_key.hex() not in json.dumps(question)
    assert identity.server_key.hex() == SERVER_KEY
    assert load_identity(directory) == identity
    assert (directory / "identity.json").stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert identity.private_key.hex() not in repr(identity)
    with pytest.raises(EnrolError, match="already"):
        ask(office, directory)


@pytest.mark.parametrize(
    ("status", "content", "says"),
    [
        (403, b'{"title": "Forbidden", "detail": "this code was used"}', "this code was used.*new code"),
        (200, b"<html>please log in</html>", "no Onecard server"),
        (200, b'{"device": "x", "site": "y", "server_key": "ab", "name": "n"}', "1 bytes, not 32"),
    ],
)
def test_a_refusal_says_why_and_leaves_nothing(
    office: str, tmp_path: Path, status: int, content: bytes, says: str
) -> None:
    Office.answer = (status, content)
    with pytest.raises(EnrolError, match=says):
        ask(office, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unreachable_server_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnrolError, match=r"127\.0\.0\.1:1/device/enrol cannot be reached"):
        ask("ws://127.0.0.1:1", tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_an_identity_that_others_can_read_is_refused(office: str, tmp_path: Path, mode: int) -> None:
    ask(office, tmp_path)
    (tmp_path / "identity.json").chmod(mode)
    with pytest.raises(IdentityError, match="chmod 600"):
        load_identity(tmp_path)


def test_without_an_identity_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="onecard-reader enrol"):
        load_identity(tmp_path)
    (tmp_path / "identity.json").touch(0o600)
    with pytest.raises(IdentityError, match="enrol again"):
        load_identity(tmp_path)
