"""``traffic-brain modify``: other greens and offsets, which have to be checked again."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import decisions, options


@click.command("modify")
@click.argument("package", type=options.FOLDER)
@click.argument("out", type=options.TARGET)
@click.option("--greens", multiple=True, help="JUNCTION=30,26: seconds of each stage, in order.")
@click.option("--offset", multiple=True, help="JUNCTION=12: seconds in the cycle.")
@click.option("--plans", type=options.FOLDER, help="A plans document (JSON) for further changes.")
@click.option("--keep", multiple=True, help="JUNCTION: stays as it is in service.")
@options.note
@options.store
@options.key
@options.as_json
def command(
    package: Path,
    out: Path,
    *,
    greens: tuple[str, ...],
    offset: tuple[str, ...],
    plans: Path | None,
    keep: tuple[str, ...],
    note: str,
    store: str | None,
    key: Path | None,
    as_json: bool,
) -> None:
    """Change plans of PACKAGE into the package OUT.

    The plans of OUT keep the safety rules and have a certificate, but what the check has shown
    was shown of others: check OUT again (it can stand for PLANS in `traffic-brain check` and
    `traffic-brain package`) and approve the package made of that.
    """
    from traffic_brain.deployment.approval import by_me
    from traffic_brain.deployment.modify import modify, retimed
    from traffic_brain.model.documents import plans_from_dict
    from traffic_brain.model.reading import read_json

    by = by_me(note)
    packed = plans_from_dict(read_json(package / "plans.json"), "plans.json")
    changed = retimed(
        packed,
        {junction: _wholes(text, "--greens") for junction, text in _pairs(greens, "--greens")},
        {junction: _whole(text, "--offset") for junction, text in _pairs(offset, "--offset")},
    )
    if plans is not None:
        changed += plans_from_dict(read_json(plans), str(plans))
    with decisions.opened(store, package) as found:
        head = modify(found, package, out, changed, by, kept=keep, key=decisions.secret(key))
    decisions.tell(package, "modified", head, as_json=as_json, out=out)


def _pairs(texts: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    found = []
    for text in texts:
        junction, equals, value = text.rpartition("=")
        if not equals or not junction:
            raise click.BadParameter(f"'{text}' is not JUNCTION=SECONDS", param_hint=option)
        found.append((junction, value))
    return found


def _wholes(text: str, option: str) -> list[int]:
    return [_whole(part, option) for part in text.split(",")]


def _whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise click.BadParameter(f"'{text}' is not whole seconds", param_hint=option) from error
