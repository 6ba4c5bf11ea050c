"""A provider's reports of a whole day, of Hefei's size, through ``fuse``: time and memory.

Run ``python -m benchmarks.feeds.large_day [--scale 0.1] [--junctions 300] [--workers 2]``; the
whole of it is ``--scale 1 --junctions 2380``. The city is generated; the day is that of
``traffic-brain bench feeds``, its provider links shared out among the city's links. The other
feeds are off: their rows know the streets of another city. With ``--city`` and ``--day``, folders
are used again, or made to stay.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feeds.city import SERVICE_DAY, city
from benchmarks.feeds.making import files_of, make_day, row_count
from benchmarks.feeds.process_tree import Peak, cpu_s
from network_data.city import load_city
from traffic_brain.executor import Engine
from traffic_brain.fusion.fuse import fuse

SEED = 1
MAP = "[internet.speeds.columns]\ninterval_s = { value = 60 }\n"
_GENERATE = (
    "import sys; from pathlib import Path; from network_data.generated_city import generate; "
    "generate(Path(sys.argv[1]), junctions=int(sys.argv[2]), seed=int(sys.argv[3]))"
)


def main() -> None:
    """Make what is not there, fuse it, tell what it took."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.feeds.large_day", description=__doc__
    )
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--junctions", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--city", type=Path)
    parser.add_argument("--day", type=Path)
    chosen = parser.parse_args()
    with TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder, made = chosen.city or work / "city", chosen.day or work / "made"
        if not (folder / "links.parquet").exists():
            folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-c", _GENERATE, str(folder), str(chosen.junctions)]
            subprocess.run([*command, str(SEED)], check=True)
        make_day(made, chosen.scale, SEED, workers=chosen.workers)
        feeds = feeds_of(work, folder, made, chosen.scale)
        state = work / "state"
        state.mkdir()
        rows = row_count(files_of(made, "internet"))
        tell(rows, folder, partial(fuse, folder, feeds, state, engine=Engine(chosen.workers)))


def feeds_of(work: Path, folder: Path, made: Path, scale: float) -> Path:
    """The folder of a service day around files that were made."""
    feeds = work / date.isoformat(SERVICE_DAY)
    (feeds / "internet").mkdir(parents=True)
    (feeds / "internet/speeds").symlink_to((made / "internet").resolve())
    (feeds / "columns.toml").write_text(MAP, encoding="utf-8")
    here, links = city(scale, SEED), list(load_city(folder).links)
    link_of = [links[i % len(links)] for i in here.link_of_provider.tolist()]
    register = {"provider_link_id": here.names()["provider"], "link_id": link_of}
    pq.write_table(pa.table(register), feeds / "internet/links.parquet")
    return feeds


def tell(rows: int, folder: Path, fused: partial[dict[str, int]]) -> None:
    """Do it and print rows, links, wall and CPU seconds, and peak memory."""
    links = len(load_city(folder).links)
    peak = Peak(os.getpid())
    peak.start()
    wall_s, began_s = time.monotonic(), cpu_s()

    def laps(done_ratio: float, message: str) -> None:
        at_s = time.monotonic() - wall_s
        print(f"{at_s:7.1f} s  {cpu_s() - began_s:7.1f} CPU s  {done_ratio:4.0%}  {message}")

    counts = fused(progress=laps)
    wall_s, used_s = time.monotonic() - wall_s, cpu_s() - began_s
    peak.stop()
    load = np.round(os.getloadavg(), 1).tolist()
    print(f"{rows:,} rows, {links:,} links: {counts}; load {load}")
    print(f"wall {wall_s:.1f} s, CPU {used_s:.1f} s, peak {peak.bytes / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
