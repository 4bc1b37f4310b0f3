"""The demo's server process: `onecard serve` under the demo's clock. Started by `server.demo.site`, not by people.

Usage: python -m server.demo.serve SHIFT_SECONDS; everything else comes from the environment as for `onecard serve`.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from server.asgi import create_app
from server.cli.serve import LinkServer, server_config
from server.demo.shifted import shifted_system
from server.logs import configure_logs
from server.settings import load_settings


def main(argv: list[str]) -> int:
    """Serve until told to stop."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    app = create_app(settings, shifted_system(timedelta(seconds=int(argv[0]))))
    LinkServer(server_config(app, settings), app.state.parts.directory).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
