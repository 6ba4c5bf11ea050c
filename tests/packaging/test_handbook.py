"""Every command line of the README and the handbook is one that the program understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from traffic_brain.cli.program import program

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")
LINE = re.compile(r"(?:^|`|[/ ]bin/)(traffic-brain [a-z-][^`\n]*)", re.MULTILINE)


def command_lines() -> list[tuple[str, str]]:
    return [
        (page.name, line.split("   ")[0].strip())
        for page in PAGES
        for line in LINE.findall(page.read_text(encoding="utf-8"))
        if not re.search(r"[…|\[]", line)
    ]


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_a_command_line_is_understood(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = program
    context = click.Context(program, info_name="traffic-brain")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        context = click.Context(found, parent=context, info_name=name)
        command = found
    if words:  # a command that is only named is asked for nothing more
        command.parse_args(context, words)


def test_there_are_command_lines() -> None:
    assert len(command_lines()) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists()


def test_the_handbook_tells_every_setting_of_the_check_as_it_is() -> None:
    from sim_scenarios.gate.params import CheckParams

    page = (ROOT / "docs/operators.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| ([0-9., ]+) \|", page, re.MULTILINE)
    told = {
        name.strip(" `"): float(value)
        for names, values in rows
        for name, value in zip(names.split(","), values.split(","), strict=True)
    }
    assert told == {name: float(value) for name, value in vars(CheckParams()).items()}


def test_the_settings_of_the_handbook_are_settings(tmp_path: Path) -> None:
    from traffic_brain.nightly.settings import read_settings

    blocks = TOML.findall((ROOT / "docs/operators.md").read_text(encoding="utf-8"))
    assert blocks
    for n, block in enumerate(blocks):
        config = tmp_path / f"{n}.toml"
        config.write_text(block, encoding="utf-8")
        assert read_settings(config, {}).city == tmp_path / "city"
