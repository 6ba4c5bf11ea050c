"""``traffic-brain verify``: the safety rules, with neither solver nor simulator."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import options, output


@click.command("verify")
@click.argument("plans", type=options.FOLDER)
@click.argument("city", type=options.FOLDER, required=False)
@click.argument("state", type=options.FOLDER, required=False)
@options.key
@options.as_json
def command(
    plans: Path, city: Path | None, state: Path | None, key: Path | None, as_json: bool
) -> None:
    """Prove every plan of a package or a plans folder again.

    Judges by the safety rules alone, without solver or simulator. A package carries all that is
    needed; candidates from `traffic-brain optimize` are judged at CITY, against the plans in
    service that STATE has seen. With --key, a package must be signed with it.
    """
    from traffic_brain.deployment.signature import check_signature, read_key
    from traffic_brain.deployment.verify import verify

    if key is not None:
        check_signature(plans, read_key(key))
    proof = verify(plans, city, state)
    inherited = [str(finding) for finding in proof.inherited]
    if as_json:
        output.print_json(
            {"plans": proof.plan_count, "rules": proof.rule_count, "inherited": inherited}
        )
        return
    for finding in inherited:
        click.echo(f"inherited: {finding}")
    click.echo(f"{proof.plan_count} plans proven against {proof.rule_count} rules")
