"""The README's tables, written from records of benchmarks, each with commit, date and versions.

``python -m benchmarks.readme keep NAME OUT`` keeps the table and the origin that a suite left in
its folder OUT as ``benchmarks/records/NAME.json``; without arguments the README is written anew:
what stands between ``<!-- record: NAME -->`` and ``<!-- end -->`` comes from that record.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from benchmarks.results import ORIGIN, TABLE

ROOT = Path(__file__).resolve().parents[1]
RECORDS, README = ROOT / "benchmarks" / "records", ROOT / "README.md"
_BLOCK = re.compile(r"(<!-- record: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SHOWN = ("eclipse-sumo", "ortools", "numpy")


def keep(name: str, out: Path, records: Path = RECORDS) -> Path:
    """The record of what a suite has left in its folder."""
    origin = json.loads((out / ORIGIN).read_text(encoding="utf-8"))
    document = {**origin, "table": (out / TABLE).read_text(encoding="utf-8").splitlines()}
    records.mkdir(exist_ok=True)
    path = records / f"{name}.json"
    text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def written(text: str, records: Path = RECORDS) -> str:
    """The README with every table as its record has it.

    Raises:
        FileNotFoundError: a record is not there.
    """

    def block(found: re.Match[str]) -> str:
        record = json.loads((records / f"{found[2]}.json").read_text(encoding="utf-8"))
        return f"{found[1]}{_shown(record)}\n{found[3]}"

    return _BLOCK.sub(block, text)


def _shown(record: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {record['versions'][name]}" for name in _SHOWN)
    origin = f"{record['date']}, commit {record['commit']}, {versions}, {record['cores']} cores"
    return "\n".join([f"`{record['command']}` ({origin}):", "", *record["table"]]).rstrip()


def main() -> None:
    """Keep a record, if one is named; then write the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", nargs="*", metavar="keep NAME OUT")
    given = parser.parse_args().record
    if given:
        verb, name, out = given if len(given) == 3 else ("", "", "")
        if verb != "keep":
            parser.error("say: keep NAME OUT, or nothing")
        keep(name, Path(out))
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
