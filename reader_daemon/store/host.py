"""Which host a data directory belongs to, so that a copied directory is noticed before its first tap (P2)."""

from __future__ import annotations

import hashlib
from pathlib import Path

MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def host_fingerprint(directory: Path, machine_id_files: tuple[Path, ...] = MACHINE_ID_FILES) -> str:
    """Return a hash of the machine id and the directory's inode.

    A copied directory has another inode even on the same host; a host installed from an image has another machine id.
    """
    machine = next((file.read_text(encoding="ascii").strip() for file in machine_id_files if file.exists()), "none")
    status = directory.stat()
    return hashlib.sha256(f"{machine}/{status.st_ino}".encode()).hexdigest()[:32]
