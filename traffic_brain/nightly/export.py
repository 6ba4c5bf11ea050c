"""A city in another format: written aside with its loss report, and put in place when complete."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from network_data.city import load_city
from network_data.loss_report import FILE, LossReport
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.nightly import folders
from traffic_brain.nightly.runner import Stage, Watcher, run_stage

FOLDER_FORMATS = frozenset({"gmns"})
"""Formats of several files; all others are one file."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has written."""

    form: str
    out: Path
    loss_report: Path
    losses: int
    """Kinds of losses in the report."""

    def as_dict(self) -> dict[str, object]:
        """As JSON."""
        return {
            "format": self.form,
            "out": str(self.out),
            "loss_report": str(self.loss_report),
            "losses": self.losses,
        }


def export_city(city: Path, form: str, out: Path, watcher: Watcher) -> Exported:
    """Write a city folder as ``gmns`` (folder ``out``), ``utdf`` or ``sumo`` (file ``out``).

    The loss report lies in the folder, or beside the file.

    Raises:
        ConfigurationError: ``out`` holds something that is not an earlier export.
        DataRefused: the city cannot be read, or the format cannot hold it at all.
    """
    if form in FOLDER_FORMATS:
        report = out / FILE
        run_stage(_folder_stage(city, form, out), watcher)
    else:
        report = out.with_name(f"{out.name}.{FILE}")
        _write_file(city, form, out, report)
    return Exported(form, out, report, len(read_json(report)["losses"]))


def _folder_stage(city: Path, form: str, out: Path) -> Stage:
    def work(folder: Path, _: object) -> dict[str, int]:
        return {"losses": _write(city, form, folder, folder / FILE)}

    return Stage(
        name="export",
        inputs={"city": city},
        folders=(out,),
        work=work,
        configuration={"format": form},
    )


def _write_file(city: Path, form: str, out: Path, report: Path) -> None:
    if out.is_dir() or (out.exists() and not report.exists()):
        raise ConfigurationError(
            f"{out} holds something that is not an export of traffic-brain",
            "give another file, or move this one away",
        )
    folders.recover(out)
    with folders.fresh(out) as aside:
        _write(city, form, aside / out.name, aside / FILE)
        (aside / FILE).replace(report)  # first: what is not explained is never put in place
        (aside / out.name).replace(out)


def _write(city: Path, form: str, out: Path, report: Path) -> int:
    """Write city and report; returns the kinds of losses."""
    losses = LossReport()
    if form == "gmns":
        from network_data.writers.gmns import write_gmns

        write_gmns(load_city(city), out, losses)
    elif form == "utdf":
        from network_data.writers.utdf import write_utdf

        write_utdf(load_city(city), out, losses)
    else:
        from network_data.importers.sumo.network import export_signals
        from network_data.writers.sumo_losses import note_losses

        export_signals(city, out)
        note_losses(load_city(city), losses)
    document = losses.as_dict()
    report.write_text(to_json(document), encoding="utf-8")
    return len(document["losses"])
