"""`onecard bench`: honest figures. Each comes with its command, its conditions and a ratio measured in the same run.

`rig` builds what is measured on (a real PostgreSQL, enrolled devices, real server processes); `load` is the separate
process that taps; `charges`, `gate`, `floors` and `readers` are the cases; `figures` is the table. The peer that the
charges are compared with lives in `tests/bench`, because the product must not ship it.
"""

from __future__ import annotations


def main(argv: list[str]) -> int:
    """Run the command line `onecard bench`; returns its exit code."""
    from server.bench.command import run  # noqa: PLC0415 - the load process imports this package and needs no more

    return run(argv)
