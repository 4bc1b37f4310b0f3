"""`onecard demo`: the reference site on this machine, from an empty folder to taps on a live page.

Everything runs as it would on a site, in processes of its own: the server, two reader daemons, and the mock devices
behind pseudo terminals. Only the clock is moved, so that it is always the same morning.
"""

from __future__ import annotations

from server.demo.command import main

__all__ = ["main"]
