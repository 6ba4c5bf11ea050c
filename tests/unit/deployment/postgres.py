"""A real PostgreSQL server from Debian's package, in a folder of its own, for as long as a test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ADMIN = "tester"
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "max_connections": "80",
    "shared_buffers": "16MB",
}


@contextmanager
def postgres_server() -> Iterator[str]:
    """Address of the server's database; skips where no server can be had."""
    programs = _programs()
    # Not below pytest's folder, which root alone may enter: the server refuses to run as root.
    with tempfile.TemporaryDirectory(prefix="traffic-brain-pg-", dir="/tmp") as name:
        folder = Path(name)
        account = _give_away(folder)
        data = folder / "data"
        _run(account, programs / "initdb", "--no-sync", "-A", "trust", "-U", ADMIN, "-D", data)
        options = [f"-c{key}={value}" for key, value in SETTINGS.items()]
        server = subprocess.Popen(
            [*account, programs / "postgres", "-D", data, "-k", folder, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
        )
        try:
            _wait_for(programs, folder, server)
            yield f"postgresql://{ADMIN}@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # at once: "fast shutdown"
            server.wait(timeout=30)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_release)
    if not found:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="no driver here: pip install 'psycopg[binary]'")
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("PostgreSQL refuses to run as root, and there is no setpriv to be another")
    return found[-1].parent


def _release(initdb: Path) -> int:
    return int(initdb.parts[-3]) if initdb.parts[-3].isdigit() else 0


def _give_away(folder: Path) -> list[str | Path]:
    """How to run a program as somebody who owns ``folder`` and is not root."""
    if os.getuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    identity = (f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    return ["setpriv", *identity, "--pdeathsig=TERM"]


def _run(account: list[str | Path], *command: str | Path) -> None:
    done = subprocess.run(
        [*account, *command], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr


def _wait_for(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 30
    while subprocess.run(
        [programs / "pg_isready", "-q", "-h", folder, "-U", ADMIN, "-d", "postgres"], check=False
    ).returncode:
        assert server.poll() is None, "the server has ended"
        assert time.monotonic() < deadline_s, "waited in vain for the server"
        time.sleep(0.05)
