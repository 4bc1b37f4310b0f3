"""Running PostgreSQL's own programs from the wheel: pg_basebackup, pg_dump, psql and others.

They run as the account that types the command; only the server itself refuses root.
"""

from __future__ import annotations

import os
import subprocess

from server.embedded_cluster import program_folder

LONGEST_SECONDS = 6 * 3600
"""A backup or restore that takes longer than this hangs."""
MAX_SAID_CHARACTERS = 2_000


class BackupError(Exception):
    """A backup or a restore cannot go on; says what to do."""


def run_program(name: str, *arguments: str) -> None:
    """Run a program to its end. Raises BackupError with what it said."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
    try:
        subprocess.run(
            [program_folder() / name, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**environment, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"},
            timeout=LONGEST_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()[-MAX_SAID_CHARACTERS:]
        msg = f"{name} failed: {said}"
        raise BackupError(msg) from error
    except (subprocess.SubprocessError, OSError) as error:
        msg = f"{name} failed: {error}"
        raise BackupError(msg) from error
