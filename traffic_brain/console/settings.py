"""What the console is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

CONSOLE_FOLDER = "console"
"""Below the root: accounts, sessions and the journal."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the nights are and who may reach the console."""

    root: Path
    """A night's folder, or a folder with several of them."""
    store: str | None = None
    """Where decisions are kept; None: in the file beside each package, as the commands do."""
    on: date | None = None
    """The day that counts for the expiry of packages; None: see `decisions.counting_day`."""
    hosts: tuple[str, ...] = ()
    """Names besides the loopback ones under which browsers may ask for this server."""
    secure_cookies: bool = False
    """Whether a proxy in front speaks https."""

    @property
    def database(self) -> Path:
        return self.root / CONSOLE_FOLDER / "console.sqlite"

    @property
    def allowed_hosts(self) -> list[str]:
        return sorted(LOOPBACK | {"[::1]"} | set(self.hosts))
