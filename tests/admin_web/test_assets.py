"""Static files: vendored, listed with their sums, small, from no other host, and served by content."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import httpx2
import pytest

from admin_web.areas import PLACES
from admin_web.assets import MEDIA_TYPES, STATIC, asset_address, load_assets
from tests.admin_web.template_source import TEMPLATES

VENDOR = STATIC / "vendor"
FIRST_LOAD_LIMIT_BYTES = 300_000
ASSETS = load_assets()
LISTED = re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (VENDOR / "VENDOR.md").read_text(), re.MULTILINE)


def test_every_vendored_file_is_listed_with_its_sum() -> None:
    there = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.suffix in MEDIA_TYPES}
    assert there == {name for name, _ in LISTED}


@pytest.mark.parametrize(("name", "expected"), LISTED)
def test_vendored_files_are_the_ones_listed(name: str, expected: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == expected


def test_every_vendor_folder_keeps_its_licence() -> None:
    folders = [path for path in VENDOR.iterdir() if path.is_dir()]
    assert len(folders) >= 4
    assert all((folder / "LICENSE").is_file() for folder in folders)


def test_the_sprite_has_every_icon_that_is_asked_for() -> None:
    there = set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "tabler-icons" / "sprite.svg").read_text()))
    asked = {name for path in TEMPLATES for name in re.findall(r"""icon\(\"([a-z0-9-]+)\"""", path.read_text("utf-8"))}
    assert asked
    assert asked | {place.icon for place in PLACES} <= there


def test_style_sheets_and_scripts_of_ours_load_nothing_from_elsewhere() -> None:
    for path in (*STATIC.glob("*.css"), *STATIC.glob("*.js"), VENDOR / "tabler" / "tabler.min.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//|import\s*\(|from\s+[\"']http", text), path.name


def test_scripts_of_ours_make_no_code_from_text() -> None:
    for path in STATIC.glob("*.js"):
        assert not re.search(r"\beval\(|new Function|innerHTML|document\.write", path.read_text()), path.name


@pytest.mark.parametrize("page", ["/login", "/", "/live", "/people", "/cards", "/charges", "/devices"])
async def test_a_first_load_is_small(staff: httpx2.AsyncClient, page: str) -> None:
    if page == "/login":
        staff.cookies.clear()
    html = (await staff.get(page)).text
    used = set(re.findall(r"/static/([^?\"]+)\?v=", html))
    assert "app.css" in used
    total = len(gzip.compress(html.encode())) + sum(len(ASSETS[name].compressed) for name in used)
    assert total <= FIRST_LOAD_LIMIT_BYTES


async def test_assets_are_compressed_and_kept_for_ever_by_content(visitor: httpx2.AsyncClient) -> None:
    address = asset_address(ASSETS, "vendor/htmx/htmx.min.js")
    answer = await visitor.get(address, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.content == (VENDOR / "htmx" / "htmx.min.js").read_bytes()
    again = await visitor.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_an_old_address_is_not_kept_for_ever(visitor: httpx2.AsyncClient) -> None:
    answer = await visitor.get("/static/app.css?v=0123456789ab", headers={"Accept-Encoding": "identity"})
    assert answer.content == (STATIC / "app.css").read_bytes()
    assert "immutable" not in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "name", ["../app.py", "..%2fapp.py", "vendor/VENDOR.md", "vendor/htmx/LICENSE", "", "nothing.css"]
)
async def test_nothing_else_is_served(visitor: httpx2.AsyncClient, name: str) -> None:
    assert (await visitor.get(f"/static/{name}")).status_code == 404


def test_a_missing_asset_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a{}")
    assets = load_assets(tmp_path)
    assert asset_address(assets, "a.css").startswith("/static/a.css?v=")
    with pytest.raises(KeyError):
        asset_address(assets, "b.css")
