"""Turns templates into pages in the visitor's language and theme. Autoescape is on; an unknown name is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from admin_web import formats
from admin_web.area import Place
from admin_web.assets import Asset, asset_address
from admin_web.i18n import Catalogue, Language, key_of, load_catalogue, reason_text
from admin_web.paths import HOME, local_path
from admin_web.places import home_of, menu_of, place_of
from admin_web.settings import PageSettings
from admin_web.visitor import Visitor
from cardcore.clock import Clock
from cardcore.reasons import ALARMING
from server.staff.roles import Permission

TEMPLATES = Path(__file__).parent / "templates"


class Renderer:
    """All templates and texts, loaded once."""

    def __init__(
        self, assets: Mapping[str, Asset], settings: PageSettings, clock: Clock, places: tuple[Place, ...]
    ) -> None:
        """Load the catalogues; raises OSError or ValueError if one is missing or broken."""
        self._settings = settings
        self._clock = clock
        self._places = places
        self._catalogues: Mapping[Language, Catalogue] = {tongue: load_catalogue(tongue) for tongue in Language}
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            asset=partial(asset_address, assets),
            site_name=settings.site_name,
            Permission=Permission,
            money=formats.money_text,
            count=formats.count_text,
            alarming=ALARMING,
        )

    def home_of(self, permissions: frozenset[Permission]) -> str:
        """Return the page where somebody with these permissions begins."""
        return home_of(self._places, permissions)

    def _said(self, visitor: Visitor) -> str | None:
        """Return what the step before has to say: a text of the catalogue that its address names, and no other."""
        key = f"said.{visitor.request.query_params.get('said', '')}"
        return self._catalogues[visitor.language].get(key)

    def text(self, language: Language, key: str, **values: object) -> str:
        """Return one text with its placeholders filled; raises KeyError for an unknown key or a missing value."""
        return self._catalogues[language][key].format_map(values) if values else self._catalogues[language][key]

    def fragment(self, template: str, language: Language, **values: object) -> str:
        """Render a piece that belongs to no visitor, only to a language."""
        return self._environment.get_template(template).render(**self._words(language), **values)

    def page(self, visitor: Visitor, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """Render a page for a visitor."""
        request = visitor.request
        staff = visitor.session.staff if visitor.session is not None else None
        content = self._environment.get_template(template).render(
            **self._words(visitor.language),
            theme=visitor.theme,
            staff=staff,
            home=self.home_of(staff.permissions) if staff is not None else HOME,
            menu=menu_of(self._places, staff.permissions if staff is not None else frozenset()),
            here_place=place_of(self._places, request.url.path),
            said=self._said(visitor),
            may=visitor.may,
            form_token=visitor.form_token,
            here=local_path(request.url.path + (f"?{request.url.query}" if request.url.query else "")),
            path=request.url.path,
            **values,
        )
        return HTMLResponse(content, status_code=status)

    def bare_page(self, template: str, status: int, **values: object) -> HTMLResponse:
        """Render a page in both languages for when not even the visitor is known: it may ask no service."""
        tongues = [self._words(language) for language in Language]
        content = self._environment.get_template(template).render(tongues=tongues, **values)
        return HTMLResponse(content, status_code=status)

    def _words(self, language: Language) -> dict[str, Any]:
        zone = self._settings.zone

        def label(member: StrEnum) -> str:
            return self.text(language, key_of(member))

        def age(since: datetime) -> str:
            key, number = formats.age_parts(self._clock.now() - since)
            return self.text(language, key, number=number)

        def day(value: date) -> str:
            return formats.date_text(value, language)

        words: dict[str, Callable[..., str] | Language] = {
            "language": language,
            "t": partial(self.text, language),
            "label": label,
            "age": age,
            "day": day,
            "reason": partial(reason_text, language=language),
            "clock_time": partial(formats.time_text, zone=zone),
            "moment": partial(formats.moment_text, zone=zone, language=language),
        }
        return words
