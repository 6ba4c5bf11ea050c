"""Where each page lies: a route's name and its parts, made into a path once and for all.

The framework looks through all routes for each address, and a page has hundreds of them; here a
route's pattern is looked up once. Parts are quoted, so that a junction called ``a?b#1`` is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from starlette.routing import BaseRoute, Route

_PART = re.compile(r"{(\w+)(:path)?}")


class Addresses:
    """Paths of the named routes of an application."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._patterns = {route.name: route.path for route in routes if isinstance(route, Route)}

    def of(self, name: str, **parts: str) -> str:
        """The path of a route.

        Args:
            parts: a value for each part of its pattern; a ``path`` may hold slashes.

        Raises:
            KeyError: there is no such route, or a part is missing.
        """

        def filled(part: re.Match[str]) -> str:
            return quote(str(parts[part[1]]), safe="/" if part[2] else "")

        return _PART.sub(filled, self._patterns[name])
