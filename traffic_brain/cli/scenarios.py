"""``traffic-brain scenarios``: the worlds that are available here."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import options, output


@click.group("scenarios", invoke_without_command=True)
@options.as_json
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the worlds that can be run here, by name; or add one."""
    if context.invoked_subcommand is not None:
        return
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


@command.command("add")
@click.argument("name")
@click.argument("sumocfg", type=options.FOLDER)
@click.option("--begin", "begin_s", type=click.IntRange(min=0), help="In s; default: the file's.")
@click.option("--end", "end_s", type=click.IntRange(min=1), help="In s; default: the file's.")
@click.option("--title-zh", default="", help="What it is called in the list, in Chinese.")
@click.option("--title-en", default="", help="The same in English.")
@click.option("--teleport", is_flag=True, help="Lift blocked vehicles as the file says.")
def add(
    name: str,
    sumocfg: Path,
    begin_s: int | None,
    end_s: int | None,
    title_zh: str,
    title_en: str,
    teleport: bool,
) -> None:
    """Call the world of a .sumocfg file NAME, for every command that takes a world.

    Its files stay where they are. The description is one TOML file, which can be edited, or
    deleted to forget the world. Nothing is teleported there unless told otherwise.
    """
    import tempfile

    from sim_scenarios.scenario import prepare
    from sim_scenarios.spec import ScenarioSpec
    from sim_scenarios.spec import add as describe

    spec = ScenarioSpec(
        name=name,
        title_zh=title_zh or name,
        title_en=title_en or name,
        sumocfg=sumocfg.resolve(),  # SUMO reads it from a folder of its own
        begin_s=begin_s,
        end_s=end_s,
        time_to_teleport_s=None if teleport else -1,
        source=str(sumocfg),
    )
    if sumocfg.is_file():
        with tempfile.TemporaryDirectory() as workdir:
            prepare(spec, Path(workdir))  # what cannot run is refused before it has a name
    click.echo(f"{name} is described in {describe(spec)}")
