"""A console in a process of its own, with accounts for the benchmark."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from traffic_brain.console.accounts import Accounts, Role
from traffic_brain.console.database import Database
from traffic_brain.console.settings import Settings

PASSWORD = "for the benchmark only"
PORT = 8793


@dataclass(frozen=True)
class Server:
    """Where it listens, and its process."""

    url: str
    pid: int
    token: str

    def memory_mb(self) -> float:
        """The most memory that it has held so far."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def get(self, path: str) -> bytes:
        """An answer of the REST interface."""
        request = urllib.request.Request(
            self.url + path, headers={"authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            return bytes(answer.read())


@contextmanager
def console(root: Path) -> Iterator[Server]:
    """A console on ``root``, ready as far as ``/login`` answers."""
    accounts = Accounts(Database(Settings(root).database))
    known = {user.name for user in accounts.users()}
    for name, role in (("reader", Role.VIEW), ("approver", Role.APPROVE)):
        if name not in known:
            accounts.add(name, role, PASSWORD)
    token = accounts.new_token("approver", "benchmark")
    program = "from traffic_brain.cli import main; import sys; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", "--root", str(root), "--port", str(PORT)],
        stdout=subprocess.DEVNULL,
    )
    server = Server(f"http://127.0.0.1:{PORT}", process.pid, token)
    try:
        _wait(server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(server: Server) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{server.url}/login", timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("the console does not answer")
