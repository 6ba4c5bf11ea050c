"""``traffic-brain scenarios``: the worlds that are available here."""

from __future__ import annotations

import click

from traffic_brain.cli import options, output


@click.command("scenarios")
@options.as_json
def command(as_json: bool) -> None:
    """List the worlds that can be run here, by name."""
    from sim_scenarios.spec import available

    worlds = available()
    if as_json:
        output.print_json(
            [
                {"name": w.name, "title_en": w.title_en, "title_zh": w.title_zh, "source": w.source}
                for w in worlds
            ]
        )
    else:
        output.print_columns((w.name, w.title_en, w.source) for w in worlds)
