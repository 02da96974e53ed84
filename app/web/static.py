"""The page's own files, and Plotly's script out of its Python package."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "static"
FOREVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


def content_version(folder: Path = FOLDER) -> str:
    """A hash of all files: whatever carries it may be cached for ever."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


class VersionedFiles(StaticFiles):
    """With `?v=` a file is cached for ever; without, as modules import each other, it is asked for again
    each time and answered 304 while it has not changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code in (200, 304):
            versioned = scope.get("query_string", b"").startswith(b"v=")
            response.headers["Cache-Control"] = FOREVER if versioned else "no-cache"
        return response


def files() -> Any:
    return VersionedFiles(directory=FOLDER)


def plotly_version() -> str:
    """For the script's address."""
    return version("plotly")


@cache
def _plotly() -> tuple[bytes, bytes, str]:
    """The script, the same gzipped, its ETag. Read without importing plotly, which takes a second."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("The package plotly is not installed. Run `make setup`.")
    script = (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()
    return script, gzip.compress(script, 9, mtime=0), f'"{hashlib.sha256(script).hexdigest()[:16]}"'


@router.get("/vendor/plotly.min.js")
def plotly(request: Request) -> Response:
    script, zipped, tag = _plotly()
    kept = request.query_params.get("v") == plotly_version()
    headers = {"ETag": tag, "Cache-Control": FOREVER if kept else "no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type="text/javascript")
    return Response(script, headers=headers, media_type="text/javascript")
