"""The way back: a package of the plans that were in service before, byte for byte.

It needs neither check nor approval, only a package that was approved and a reason: going back must
be possible at once. Junctions that the package has not touched are left alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from traffic_brain.deployment.about import SHORT_ID, Kind, package_id
from traffic_brain.deployment.approval import By, identify
from traffic_brain.deployment.audit import Head, State
from traffic_brain.deployment.package import Contents, new_folder, write_package
from traffic_brain.deployment.rollout import FIRST_S, bands_of_document
from traffic_brain.deployment.store import Proposal, Store
from traffic_brain.deployment.verify import verify
from traffic_brain.errors import DataRefused
from traffic_brain.model.documents import plans_from_dict, rules_inputs_from_dict
from traffic_brain.model.reading import read_json
from traffic_brain.model.verdict import Decision, Verdict


def roll_back(
    store: Store,
    package: Path,
    out: Path,
    by: By,
    *,
    first_s: int = FIRST_S,
    key: bytes | None = None,
) -> Head:
    """Write the new folder ``out``, which undoes an approved package, and log it.

    Args:
        first_s: when the first junction may leave its plan, in seconds of the service day.

    Returns the head of the audit log.

    Raises:
        ConfigurationError: ``out`` is there already, or the store fails.
        DataRefused: the package was tampered with, is not approved, or is rolled back already.
    """
    proposal = identify(package, key)
    verify(package)
    record = store.record(proposal.package_id)
    if record is None:
        raise DataRefused(
            f"package {proposal.package_id[:SHORT_ID]} was never approved here",
            f"check --store; the former plans are in {package / 'rollback.json'}",
        )
    with new_folder(out) as folder:
        write_package(contents_back(package, proposal, first_s), folder, key)
    return logged(
        lambda: store.act(
            proposal, by.act(proposal.package_id, State.ROLLED_BACK, package_id(out))
        ),
        out,
    )


def contents_back(package: Path, proposal: Proposal, first_s: int) -> Contents:
    """What the package holds that undoes ``package``: band by band, in the opposite order."""
    changed = plans_from_dict(read_json(package / "plans.json"), "plans.json")
    former = plans_from_dict(read_json(package / "rollback.json"), "rollback.json")
    in_service = {plan.junction_id: plan for plan in former}
    return Contents(
        about=replace(proposal.about, kind=Kind.ROLLBACK, made_from=proposal.package_id),
        plans=[in_service[plan.junction_id] for plan in changed],
        in_service=in_service,
        sites=rules_inputs_from_dict(read_json(package / "network.json")),
        verdict=_no_verdict(f"rollback of package {proposal.package_id[:SHORT_ID]}"),
        bands=bands_of_document(read_json(package / "rollout.json"))[::-1],
        leaving={plan.junction_id: plan for plan in changed},
        first_s=first_s,
    )


def logged(act: Callable[[], Head], out: Path) -> Head:
    """Log an act whose folder ``out`` is there; if that fails, the folder goes again."""
    try:
        return act()
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _no_verdict(reason: str) -> Verdict:
    return Verdict(Decision.INCONCLUSIVE, reason, "rollback", (), (), (), None, None)
