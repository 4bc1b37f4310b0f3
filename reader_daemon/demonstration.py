"""The daemon under the demo's moved clock: `python -m reader_daemon.demonstration SHIFT_SECONDS --config FILE`.

For demonstrations and tests only; `onecard-reader` has no way to ask for it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from cardcore.clock import ShiftedClock
from reader_daemon.cli import software
from reader_daemon.identity import load_identity
from reader_daemon.logs import set_up_logs
from reader_daemon.serving import serve
from reader_daemon.settings import load_settings
from reader_daemon.system import System, SystemClock, SystemIds


def main(argv: list[str]) -> int:
    """Run the daemon until told to stop."""
    parser = argparse.ArgumentParser(prog="reader_daemon.demonstration")
    parser.add_argument("shift_seconds", type=int)
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args(argv)
    set_up_logs("info")
    settings = load_settings(arguments.config, os.environ)
    clock = ShiftedClock(SystemClock(), timedelta(seconds=arguments.shift_seconds))
    with asyncio.Runner() as runner:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            runner.get_loop().add_signal_handler(number, stop.set)
        identity = load_identity(settings.data_dir)
        runner.run(serve(settings, identity, stop, software(), System(clock, SystemIds(clock))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
