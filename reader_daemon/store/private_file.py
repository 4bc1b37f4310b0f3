"""Small files for their owner alone, replaced whole or not at all: the box's identity, its readers' keys."""

from __future__ import annotations

import os
from pathlib import Path

FILE_MODE = 0o600


def replace_private(path: Path, content: bytes) -> None:
    """Put new content in a file's place: synced under another name, then renamed. Raises OSError.

    A cut at any step leaves the old content or the new one; the new one for good once the directory is synced, which
    is the caller's.
    """
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    try:
        remaining = content
        while remaining:
            remaining = remaining[os.write(descriptor, remaining) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
