"""What every handler shares: the services, the clock, the settings, the renderer and the live hub. Built once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from admin_web.live import LiveHub
from admin_web.ports import PageServices
from admin_web.rendering import Renderer
from admin_web.settings import PageSettings
from cardcore.clock import Clock
from server.staff.roles import Permission


@dataclass(frozen=True, slots=True)
class Web:
    """The parts of the running site."""

    services: PageServices
    clock: Clock
    settings: PageSettings
    renderer: Renderer
    live: LiveHub
    permissions: Mapping[str, frozenset[Permission]]
    """By route name: who may ask for a page."""
