"""Static files: read once, compressed once, addressed by content. Serves only what lay in the folder at start."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Only these are served; licences and notes stay on disk."""
COMPRESSION_LEVEL = 9
FOREVER = "public, max-age=31536000, immutable"
SHORT = "public, max-age=60"
VERSION_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and compressed."""

    media_type: str
    version: str
    plain: bytes
    compressed: bytes


def load_assets(folder: Path = STATIC) -> Mapping[str, Asset]:
    """Read every file of a known type below `folder`; keys are paths relative to it."""
    return {
        path.relative_to(folder).as_posix(): _asset(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }


def _asset(path: Path) -> Asset:
    plain = path.read_bytes()
    return Asset(
        media_type=MEDIA_TYPES[path.suffix],
        version=hashlib.sha256(plain).hexdigest()[:VERSION_CHARACTERS],
        plain=plain,
        compressed=gzip.compress(plain, COMPRESSION_LEVEL, mtime=0),
    )


def asset_address(assets: Mapping[str, Asset], name: str) -> str:
    """Return the address of an asset, with its version; raises KeyError for a file that is not there."""
    return f"/static/{name}?v={assets[name].version}"


def assets_router(assets: Mapping[str, Asset]) -> APIRouter:
    """Return the one route that serves `assets`."""
    router = APIRouter()

    @router.get("/static/{name:path}", name="static")
    async def static(name: str, request: Request) -> Response:
        asset = assets.get(name)
        if asset is None:
            return Response(status_code=404)
        is_versioned = request.query_params.get("v") == asset.version
        headers = {
            "Cache-Control": FOREVER if is_versioned else SHORT,
            "ETag": f'"{asset.version}"',
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.compressed, media_type=asset.media_type, headers=headers)
        return Response(asset.plain, media_type=asset.media_type, headers=headers)

    return router
