"""A process that keeps a private PC/SC service in namespaces of its own and hands out sockets into them.

It runs by itself (`python keeper.py CONTROL_FD RUN_DIR CONFIG_DIR`), on the standard library only, because it
changes its namespaces before it does anything else. Its mount namespace binds RUN_DIR over /run/pcscd, so that the
service's socket appears in RUN_DIR for the tests; its network namespace has a loopback of its own, because the
virtual reader listens on every address without authentication. It ends, and takes the service with it, when the
control socket is closed. It must never touch the machine's own PC/SC service.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
SIOCSIFFLAGS = 0x8914
IFF_UP_AND_RUNNING = 0x41
CONNECT_TIMEOUT_SECONDS = 2.0
STOP_TIMEOUT_SECONDS = 5.0
REQUEST_BYTES = 1024

_libc = ctypes.CDLL(None, use_errno=True)


def _unshare(flags: int) -> None:
    if _libc.unshare(flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"unshare: {os.strerror(code)}")


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    if _libc.mount(source.encode(), target.encode(), kind.encode(), flags, None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mount {target}: {os.strerror(code)}")


def _enter_namespaces() -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _unshare(CLONE_NEWNS | CLONE_NEWNET)
        return
    _unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")


def _private_run(run_directory: str) -> None:
    try:
        _mount("none", "/", "none", MS_REC | MS_PRIVATE)
    except OSError as error:
        if error.errno != errno.EINVAL:  # inside a chroot "/" is no mount point; whoever made it private did so already
            raise
    # /run/pcscd may not exist and may not be ours to make, so /run itself is covered first
    _mount("tmpfs", "/run", "tmpfs", 0)
    Path("/run/pcscd").mkdir()
    _mount(run_directory, "/run/pcscd", "none", MS_BIND)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_AND_RUNNING))


class Keeper:
    """Answers the requests of the test process, one at a time, each with one JSON datagram."""

    def __init__(self, control: socket.socket, run_directory: Path, config_directory: str) -> None:
        """`control` is one end of a SOCK_SEQPACKET pair; the service logs into RUN_DIR/log."""
        self._control = control
        self._run_directory = run_directory
        self._config_directory = config_directory
        self._service: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Answer until the other end is closed, then kill the service."""
        try:
            while request := self._control.recv(REQUEST_BYTES):
                self._answer(json.loads(request))
        finally:
            self._kill()

    def _answer(self, request: dict[str, int | str]) -> None:
        try:
            match request:
                case {"do": "start"}:
                    self._start()
                    reply: dict[str, str] = {}
                case {"do": "kill"}:
                    self._kill()
                    reply = {}
                case {"do": "connect", "port": int(port)}:
                    with socket.create_connection(("127.0.0.1", port), CONNECT_TIMEOUT_SECONDS) as made:
                        made.settimeout(None)
                        socket.send_fds(self._control, [b"{}"], [made.fileno()])
                    return
                case _:
                    reply = {"error": f"unknown request {request!r}"}
        except OSError as error:
            reply = {"error": str(error)}
        self._control.send(json.dumps(reply).encode())

    def _start(self) -> None:
        for leftover in ("pcscd.comm", "pcscd.pid"):
            (self._run_directory / leftover).unlink(missing_ok=True)
        with (self._run_directory / "log").open("ab") as log:
            self._service = subprocess.Popen(
                ["pcscd", "--foreground", "--config", self._config_directory],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _kill(self) -> None:
        if self._service is not None:
            self._service.send_signal(signal.SIGKILL)
            self._service.wait(STOP_TIMEOUT_SECONDS)
            self._service = None


def main() -> int:
    """Enter the namespaces, say so (or why not) on the control socket, and serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        _enter_namespaces()
        _private_run(sys.argv[2])
        _loopback_up()
    except OSError as error:
        control.send(json.dumps({"error": str(error)}).encode())
        return 1
    control.send(b"{}")
    Keeper(control, Path(sys.argv[2]), sys.argv[3]).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
