"""What the figures were measured on: cores, the disk's fdatasync, the database's promises, a process's memory."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path

from server.bench.figures import percentile

SYNCS = 200
SYNC_BYTES = 8192
"""A page of write-ahead log."""
_KIB = 1024
_MICROSECONDS = 1_000_000


def fdatasync_us(folder: Path) -> tuple[int, int]:
    """Return p50 and p99 of a page's write and fdatasync in `folder`, microseconds."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        page = bytes(SYNC_BYTES)
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(page)
            file.flush()
            os.fdatasync(file.fileno())
            taken.append(int((time.perf_counter() - began) * _MICROSECONDS))
    taken.sort()
    return percentile(taken, 50), percentile(taken, 99)


def file_system(folder: Path) -> str:
    """Return the type of the file system that holds `folder`, e.g. `ext4`."""
    best, kind = Path("/"), "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        if folder.resolve().is_relative_to(mount) and len(mount) >= len(str(best)):
            best, kind = Path(mount), found
    return kind


def processor() -> str:
    """Return cores and model."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        platform.machine(),
    )  # fmt: skip
    return f"{len(os.sched_getaffinity(0))} cores, {model}"


def load_average() -> str:
    """Return the load of the last minute: work of others shows here."""
    return f"{os.getloadavg()[0]:.2f} in the last minute before the run"


def processor_seconds(process: int) -> float:
    """Return the processor time a process has used so far, all its threads, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(process: int) -> tuple[float, float]:
    """Return resident memory of a process now and at its highest, MiB."""
    found = {}
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in {"VmRSS", "VmHWM"}:
            found[name] = int(rest.split()[0]) / _KIB
    return found.get("VmRSS", 0.0), found.get("VmHWM", 0.0)
