"""`python -m server.bench` is `onecard bench`."""

from __future__ import annotations

import sys

from server.bench import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
