"""What the tests of the key service share: a site with keys, cheap stretching, and a private SoftHSM token."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID

from cardcore.ids import SiteId
from server.keys.ceremony import with_site
from server.keys.key_file import SCRYPT_LEAST_COST, OpenedFile, new_file

SITE = SiteId(UUID("01890000-0000-7000-8000-000000000001"))
OTHER_SITE = SiteId(UUID("01890000-0000-7000-8000-000000000002"))
AT = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)
PASSPHRASE = "correct horse, battery, staple"
UID = bytes.fromhex("04782E21801D80")
TOKEN, PIN = "onecard-test", "2468"
SOFTHSM = (Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib64/softhsm/libsofthsm2.so"))


def drawn(seed: str = "keys") -> Callable[[int], bytes]:
    """Return a source of bytes that are the same in every run."""
    numbers = count()
    return lambda size: hashlib.shake_256(f"{seed}{next(numbers)}".encode()).digest(size)


def key_file() -> OpenedFile:
    """Return an opened file with the keys of SITE."""
    return with_site(new_file(PASSPHRASE, drawn("file"), SCRYPT_LEAST_COST), SITE, drawn("masters"), AT)


def softhsm_module() -> Path:
    """Return the SoftHSM library; a machine without it fails the test and is told what to install."""
    found = next((path for path in SOFTHSM if path.exists()), None)
    assert found is not None, "apt-get install softhsm2"
    return found


def private_token(folder: Path) -> None:
    """Make a token of this process's own; must come before the library is first loaded."""
    tokens = folder / "tokens"
    tokens.mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(config)
    command = ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", PIN]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
