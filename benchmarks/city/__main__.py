"""``python -m benchmarks.city``: the same as ``traffic-brain bench city``."""

from __future__ import annotations

import sys

from traffic_brain.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", "city", *sys.argv[1:]]))
