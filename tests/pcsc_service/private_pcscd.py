"""A PC/SC service of the tests' own, with virtual readers, apart from the machine's service and its real readers.

`keeper.py` holds it in namespaces; this side speaks to the keeper. The machine's own pcscd need not run and is not
touched. The library this process loads finds the service through PCSCLITE_CSOCK_NAME, which it reads once: one private
service a process.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
INSTALL = "apt-get install pcscd vsmartcard-vpcd libpcsclite-dev"
FIRST_PORT = 0x8C7B
"""Inside the private network namespace, so every test process uses the same."""
SLOTS = 2
"""Of one reader: its own port and the next."""
CONTROL_BYTES = 1024
CONTROL_SECONDS = 10.0
END_SECONDS = 10.0


class PcscdUnavailable(Exception):  # noqa: N818 - it names what is the matter
    """The private service cannot be had; the text says why and what to type."""


class PrivatePcscd:
    """The service and its virtual slots, two a reader. `socket_path` is where clients reach it."""

    def __init__(self, readers: int = 1) -> None:
        """Make the directory and the namespaces; raises `PcscdUnavailable`. The service is not started yet."""
        search_path = f"{os.environ['PATH']}:/usr/sbin"  # which an ordinary user's lacks
        if shutil.which("pcscd", path=search_path) is None or not DRIVER.exists():
            msg = f"pcscd or the virtual reader driver is missing: {INSTALL}"
            raise PcscdUnavailable(msg)
        # a short path: the name of a Unix socket holds 107 bytes
        self._directory = Path(tempfile.mkdtemp(prefix="pcscd-"))
        self.socket_path = self._directory / "run" / "pcscd.comm"
        self.names = self._configure(readers)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(CONTROL_SECONDS)
        keeper = Path(__file__).with_name("keeper.py")
        run, configuration = str(self._directory / "run"), str(self._directory / "reader.conf.d")
        with theirs:
            self._keeper = subprocess.Popen(
                [sys.executable, str(keeper), str(theirs.fileno()), run, configuration],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PATH": search_path},
            )
        answer = json.loads(self._control.recv(CONTROL_BYTES))
        if "error" in answer:
            self.close()
            msg = (
                f"no private namespaces for pcscd: {answer['error']}. Run the tests as root "
                "(sudo make test), or allow user namespaces: sudo sysctl kernel.unprivileged_userns_clone=1"
            )
            raise PcscdUnavailable(msg)

    def _configure(self, readers: int) -> tuple[str, ...]:
        """Write a reader.conf of `readers` readers, each with two slots; returns the slots' PC/SC names in order.

        The driver keeps one listening socket a loaded library, so each reader needs a copy of its own: with a shared
        one the last reader's cards would show up in all of them.
        """
        (self._directory / "run").mkdir()
        (self._directory / "reader.conf.d").mkdir()
        entries, names = [], []
        for number in range(readers):
            driver = self._directory / f"libifdvpcd-{number}.so"
            shutil.copy(DRIVER, driver)
            port, name = FIRST_PORT + SLOTS * number, f"Virtual PCD {number}"
            entries.append(
                f'FRIENDLYNAME "{name}"\nDEVICENAME /dev/null:0x{port:X}\nLIBPATH {driver}\nCHANNELID 0x{port:X}\n'
            )
            names += [f"{name} 00 {slot:02X}" for slot in range(SLOTS)]
        (self._directory / "reader.conf.d" / "vpcd").write_text("\n".join(entries), encoding="ascii")
        return tuple(names)

    def _ask(self, request: dict[str, str | int]) -> int | None:
        """Send a request to the keeper; returns the file descriptor it answered with, if any."""
        self._control.send(json.dumps(request).encode())
        answer, descriptors, _, _ = socket.recv_fds(self._control, CONTROL_BYTES, 1)
        reply = json.loads(answer or b'{"error": "the keeper has ended"}')
        if "error" in reply:
            raise ConnectionError(reply["error"])
        return descriptors[0] if descriptors else None

    def start(self) -> None:
        """Start the service; it may take a moment until it answers."""
        self._ask({"do": "start"})

    def kill(self) -> None:
        """Kill the service as a crash would."""
        self._ask({"do": "kill"})

    def connect(self, slot: int) -> socket.socket:
        """Return a connection to a slot of the virtual reader: a card is inserted. Raises ConnectionError."""
        descriptor = self._ask({"do": "connect", "port": FIRST_PORT + slot})
        assert descriptor is not None
        return socket.socket(fileno=descriptor)

    def log(self) -> str:
        """Return what the service has said so far."""
        path = self._directory / "run" / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self) -> None:
        """End keeper and service and remove the directory."""
        self._control.close()
        self._keeper.wait(END_SECONDS)
        shutil.rmtree(self._directory, ignore_errors=True)
