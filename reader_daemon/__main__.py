"""`python -m reader_daemon` is the command `onecard-reader`."""

from __future__ import annotations

import sys

from reader_daemon.cli import main

if __name__ == "__main__":
    sys.exit(main())
