"""So many people decide on packages at the same moment, each in a process of their own.

``python crowd.py STORE COUNT CITY STATE PACKAGE...``: on each package, one approves, the next
rejects, and so on; prints one JSON list of how each ended.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from traffic_brain.deployment.approval import By, approve, reject
from traffic_brain.deployment.store import open_store
from traffic_brain.errors import TrafficBrainError


def decide(
    caller: int, acts: str, address: str, package: Path, city: Path, state: Path
) -> tuple[int, str]:
    """Exit code and line of one person."""
    by = By(f"caller {caller}", "at once", date(2026, 11, 3), datetime.now(UTC))
    try:
        store = open_store(address)
        if acts == "approve":
            approve(store, package, city, state, by)
        else:
            reject(store, package, by)
    except TrafficBrainError as error:
        return error.exit_code, str(error)
    return 0, ""


def main(address: str, count: int, city: Path, state: Path, *packages: Path) -> None:
    if address.startswith("postgresql:"):  # loaded once for all, not once by each
        importlib.import_module("sqlalchemy.dialects.postgresql.psycopg").dialect.import_dbapi()
    start_read, start_write = os.pipe()
    result_read, result_write = os.pipe()
    children = []
    for caller in range(count):
        child = os.fork()
        if child == 0:
            os.close(start_write)
            os.read(start_read, 1)  # all wait until the last one is there
            turn, idx = divmod(caller, len(packages))
            acts = ("approve", "reject")[turn % 2]
            exit_code, line = decide(caller, acts, address, packages[idx], city, state)
            end = {"caller": caller, "acts": acts, "package": packages[idx].name}
            end |= {"exit_code": exit_code, "line": line}
            os.write(result_write, json.dumps(end).encode() + b"\n")
            os._exit(0)
        children.append(child)
    os.close(start_write)
    os.close(result_write)
    with os.fdopen(result_read, encoding="utf-8") as results:
        ends = [json.loads(line) for line in results]
    for child in children:
        os.waitpid(child, 0)
    print(json.dumps(ends))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *map(Path, sys.argv[3:]))
