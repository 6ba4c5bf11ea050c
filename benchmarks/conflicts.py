"""Conflicts drawn from geometry against SUMO's own foes, on every map that is installed.

``python -m benchmarks.conflicts [NET.net.xml ...]`` adds further maps. Each is drawn twice: from
its links as they are, which end at their stop lines, and from centre lines that meet in one point.
"""

from __future__ import annotations

import sys
from pathlib import Path

from network_data.importers.sumo.network import read_network
from network_data.loss_report import LossReport
from tests.reference.agreement import Agreement, added, agreement, centre_lines
from tests.reference.valid_plans import real_nets
from traffic_brain.model.network import RoadNetwork


def main(arguments: list[str]) -> int:
    """Print a row for each map, and the sums; returns the exit code."""
    nets = [*real_nets(), *map(Path, arguments)]
    networks = {
        f"{net.parent.name}/{net.name}": read_network(net, (), LossReport()) for net in nets
    }
    for title, draw in (
        ("links that end at stop lines", _as_it_is),
        ("centre lines", centre_lines),
    ):
        print(title)
        found = {name: agreement(draw(network)) for name, network in networks.items()}
        for name, row in found.items():
            if any(row):
                print(f"  {name:48}{_figures(row)}")
        print(f"  {'together':48}{_figures(added(list(found.values())))}")
    return 0


def _as_it_is(network: RoadNetwork) -> RoadNetwork:
    return network


def _figures(row: Agreement) -> str:
    shares = f"precision {row.precision:.4f}  recall {row.recall:.4f}" if row.both else ""
    return (
        f"both {row.both:5}  drawn only {row.drawn_only:4}  SUMO only {row.sumo_only:4}  {shares}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
