"""Scripts and styles, read once from the installed packages and served by their exact names."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from traffic_brain.console.refusals import NotFound

NAMES = (
    "console.css",
    "console.js",
    "decide.js",
    "emergency.js",
    "figure.js",
    "login.js",
    "map.js",
    "runs.js",
    "timespace.js",
)
PLOTLY = "plotly.js"
_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file ready to send."""

    plain: bytes
    gzipped: bytes
    kind: str
    mark: str
    """The beginning of its hash: a changed file has another address."""


@cache
def static_file(name: str) -> StaticFile:
    """One of `NAMES`, or Plotly out of its Python package.

    Raises:
        NotFound: any other name.
    """
    if name == PLOTLY:
        from plotly.offline import get_plotlyjs

        plain = get_plotlyjs().encode()
    elif name in NAMES:
        plain = files("traffic_brain.console").joinpath("static", name).read_bytes()
    else:
        raise NotFound("there is no such file")
    mark = hashlib.sha256(plain).hexdigest()[:16]
    kind = _KINDS[name.rpartition(".")[2]]
    return StaticFile(plain, gzip.compress(plain, mtime=0), kind, mark)


def address(name: str) -> str:
    """Where a page finds a file."""
    return f"/static/{name}?v={static_file(name).mark}"


@router.get("/static/{name}")
def static(name: str, request: Request) -> Response:
    """A script or a style sheet, which a browser may keep for good."""
    if name not in {*NAMES, PLOTLY}:
        raise NotFound("there is no such file")
    found = static_file(name)
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(found.gzipped, media_type=found.kind, headers=headers)
    return Response(found.plain, media_type=found.kind, headers=headers)
