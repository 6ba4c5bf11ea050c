"""Damaged SUMO networks, additional files and maps: each is refused, or imported with a report.

Bytes and elements of small sound files are damaged at random, reproducibly: case 17 of seed 5 is
the same on every machine. A case fails where the importer raises anything but ``DataRefused``,
takes longer than ``LIMIT_S``, leaves files behind that are no city, or refuses in many lines.

    python -m benchmarks.fuzz_sumo [--cases 4000] [--maps 400] [--seed 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from xml.etree import ElementTree as ET

from network_data.checks import problems
from network_data.city import load_city
from network_data.importers import import_any
from network_data.loss_report import FILE as LOSSES_FILE
from network_data.sumo_tools import sumo_home
from traffic_brain.errors import DataRefused

LIMIT_S = 20.0
STRANGE = (
    *("", " ", "0", "-1", "1", "2.5", "nan", "inf", "-inf", "1e309", "1e-320", "99999999999999"),
    *("x", "a b", "0,0", "0,0 0,0", "1,2 3,4 5,6", "nan,nan 1,1", "1e200,0 0,1e200", "路口"),
    *("\U0001f6a6", "'\"<>&", "../../etc/passwd", "/dev/zero", "true", "G", "rrrr", "GGGG" * 3000),
    *("0101", "1" * 300, "off", "begin", "static", "actuated", "internal", "crossing", "rail"),
    *("12:00:00", "1:2", "0x10", "１２", "--1", "1_000", "%s", "\\", "None"),
)
"""What damage, other tools and tired people put into attributes."""
MAP = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
 <node id="1" lat="31.8200" lon="117.2200"><tag k="highway" v="traffic_signals"/>
  <tag k="name" v="黄山路与科学大道路口"/><tag k="name:en" v="Huangshan / Kexue"/></node>
 <node id="2" lat="31.8230" lon="117.2200"/><node id="3" lat="31.8170" lon="117.2200"/>
 <node id="4" lat="31.8200" lon="117.2240"/><node id="5" lat="31.8200" lon="117.2160"/>
 <node id="6" lat="31.8260" lon="117.2201"><tag k="highway" v="traffic_signals"/></node>
 <node id="7" lat="31.8260" lon="117.2240"/><node id="8" lat="31.8262" lon="117.2160"/>
 <way id="10"><nd ref="3"/><nd ref="1"/><nd ref="2"/><nd ref="6"/>
  <tag k="highway" v="primary"/><tag k="name" v="科学大道"/><tag k="name:en" v="Kexue Avenue"/>
  <tag k="lanes" v="4"/><tag k="maxspeed" v="60"/></way>
 <way id="11"><nd ref="5"/><nd ref="1"/><nd ref="4"/>
  <tag k="highway" v="secondary"/><tag k="name" v="黄山路"/>
  <tag k="name:zh_pinyin" v="Huangshan Lu"/>
  <tag k="turn:lanes:forward" v="left|through;right"/><tag k="lanes" v="3"/></way>
 <way id="12"><nd ref="8"/><nd ref="6"/><nd ref="7"/><tag k="highway" v="tertiary"/></way>
 <way id="13"><nd ref="4"/><nd ref="7"/><tag k="building" v="yes"/></way>
 <relation id="20"><member type="way" ref="10" role="from"/><member type="node" ref="1" role="via"/>
  <member type="way" ref="11" role="to"/><tag k="type" v="restriction"/>
  <tag k="restriction" v="no_u_turn"/></relation>
</osm>
"""
PROGRAMS = """<additional>
 <tlLogic id="0" type="static" programID="day" offset="12">
  <phase duration="31" state="{green}"/><phase duration="3" state="{yellow}"/>
  <phase duration="26" state="{other}" minDur="5" maxDur="40"/>
  <phase duration="3" state="{clear}" next="0"/></tlLogic>
 <tlLogic id="0" type="actuated" programID="free" offset="0"><param key="max-gap" value="2"/>
  <phase duration="30" state="{green}" minDur="5" maxDur="50"/>
  <phase duration="4" state="{yellow}"/></tlLogic>
 <WAUT id="w" refTime="0" startProg="free"><wautSwitch time="21600" to="day"/></WAUT>
 <wautJunction wautID="w" junctionID="0"/>
 <inductionLoop id="loop" lane="{lane}" pos="-3" freq="60" file="out.xml"/>
 <laneAreaDetector id="area" lane="{lane}" pos="1" length="9" freq="60" file="out.xml"/>
</additional>
"""


@dataclass(frozen=True, slots=True)
class Sound:
    """Files that import without complaint; one of them is damaged at a time."""

    name: str
    network: Path
    additional: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.network, *self.additional)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a damaged file: refused, imported, or how the importer failed."""

    verdict: str
    detail: str
    seconds: float

    @property
    def failed(self) -> bool:
        return self.verdict == "FAILED"


def sound_networks(folder: Path) -> list[Sound]:
    """Two small networks of SUMO's own: a crossroads with programs, and one with crossings."""
    game = sumo_home() / "tools/game"
    net = Path(shutil.copy(game / "cross/cross.net.xml", folder / "cross.net.xml"))
    zipped = folder / "zipped.net.xml.gz"
    zipped.write_bytes(gzip.compress(net.read_bytes(), mtime=0))
    programs = folder / "programs.add.xml"
    programs.write_text(_programs_for(net), encoding="utf-8")
    walked = folder / "walked.net.xml"
    walked.write_bytes(gzip.decompress((game / "fkk_in/ingolstadt.net.xml.gz").read_bytes()))
    manual = Path(shutil.copy(game / "fkk_in/fkk_in.tls.add.xml", folder / "manual.add.xml"))
    return [
        Sound("crossroads", net, (programs,)),
        Sound("crossroads, packed", zipped, (programs,)),
        Sound("with crossings", walked, (manual,)),
    ]


def sound_maps(folder: Path) -> list[Sound]:
    """One small map, plain and packed."""
    plain, packed = folder / "plain.osm", folder / "packed.osm.gz"
    plain.write_text(MAP, encoding="utf-8")
    packed.write_bytes(gzip.compress(MAP.encode(), mtime=0))
    return [Sound("map", plain), Sound("map, packed", packed)]


def _programs_for(net: Path) -> str:
    root = ET.parse(net).getroot()
    own = root.find("tlLogic")
    assert own is not None
    states = [phase.attrib["state"] for phase in own.iter("phase")]
    lane = next(c for c in root.iter("connection") if c.get("tl"))
    return PROGRAMS.format(
        green=states[0],
        yellow=states[1],
        other=states[2],
        clear=states[3],
        lane=f"{lane.attrib['from']}_{lane.attrib['fromLane']}",
    )


# --- damage ---------------------------------------------------------------------------------


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """A file with one to four damages, of its bytes or of its elements."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        packed = whole[:2] == b"\x1f\x8b"
        if packed and rng.random() < 0.5:
            try:
                whole = gzip.compress(damaged(gzip.decompress(whole), rng), mtime=0)
            except (OSError, EOFError, zlib.error):
                return whole
        elif packed or rng.random() < 0.35:
            whole = rng.choice(BYTE_DAMAGES)(whole, rng)
        else:
            whole = _with_damaged_elements(whole, rng)
    return whole


def _place(whole: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(whole) + 1)
    return start, min(len(whole), start + rng.choice((1, 1, 2, 8, 100, 3000)))


def _flip(whole: bytes, rng: random.Random) -> bytes:
    if not whole:
        return whole
    idx = rng.randrange(len(whole))
    return whole[:idx] + bytes([whole[idx] ^ (1 << rng.randrange(8))]) + whole[idx + 1 :]


def _cut_out(whole: bytes, rng: random.Random) -> bytes:
    start, end = _place(whole, rng)
    return whole[:start] + whole[end:]


def _cut_off(whole: bytes, rng: random.Random) -> bytes:
    return whole[: _place(whole, rng)[0]]


def _repeat(whole: bytes, rng: random.Random) -> bytes:
    start, end = _place(whole, rng)
    return whole[:end] + whole[start:end] * rng.choice((1, 1, 50)) + whole[end:]


def _noise(whole: bytes, rng: random.Random) -> bytes:
    start, end = _place(whole, rng)
    return whole[:start] + rng.randbytes(end - start) + whole[end:]


def _insert(whole: bytes, rng: random.Random) -> bytes:
    start, _ = _place(whole, rng)
    text = rng.choice((*STRANGE, "<", ">", "</edge>", "<!--", "<![CDATA[", "&bomb;", "\0"))
    return whole[:start] + text.encode() + whole[start:]


def _swap(whole: bytes, rng: random.Random) -> bytes:
    (a, b), (c, d) = sorted((_place(whole, rng), _place(whole, rng)))
    if b > c:
        return whole
    return whole[:a] + whole[c:d] + whole[b:c] + whole[a:b] + whole[d:]


BYTE_DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _cut_out, _cut_off, _repeat, _noise, _insert, _swap),
)


def _with_damaged_elements(whole: bytes, rng: random.Random) -> bytes:
    try:
        root = ET.fromstring(whole)
    except (ET.ParseError, ValueError, LookupError):
        return _flip(whole, rng)
    every = list(root.iter())
    parents = {child: parent for parent in every for child in parent}
    element = rng.choice(every)
    rng.choice(ELEMENT_DAMAGES)(element, parents.get(element), every, rng)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


Element = ET.Element
ElementDamage = Callable[[Element, Element | None, list[Element], random.Random], None]


def _drop(e: Element, parent: Element | None, _: list[Element], __: random.Random) -> None:
    if parent is not None:
        parent.remove(e)


def _double(e: Element, parent: Element | None, _: list[Element], rng: random.Random) -> None:
    if parent is not None:
        for _i in range(rng.choice((1, 1, 30))):
            parent.append(copy.deepcopy(e))


def _move(e: Element, parent: Element | None, every: list[Element], rng: random.Random) -> None:
    target = rng.choice(every)
    if parent is not None and target not in list(e.iter()):
        parent.remove(e)
        target.append(e)


def _rename(e: Element, _: Element | None, every: list[Element], rng: random.Random) -> None:
    e.tag = rng.choice([rng.choice(every).tag, "nothing"])


def _set(e: Element, _: Element | None, __: list[Element], rng: random.Random) -> None:
    if e.attrib:
        e.set(rng.choice(list(e.attrib)), rng.choice(STRANGE))


def _unset(e: Element, _: Element | None, __: list[Element], rng: random.Random) -> None:
    if e.attrib:
        del e.attrib[rng.choice(list(e.attrib))]


def _mix(e: Element, _: Element | None, every: list[Element], rng: random.Random) -> None:
    other = rng.choice([x for x in every if x.tag == e.tag])
    if e.attrib and other.attrib:
        name = rng.choice(list(other.attrib))
        e.set(name, other.attrib[rng.choice([name, rng.choice(list(other.attrib))])])


ELEMENT_DAMAGES: tuple[ElementDamage, ...] = (
    *(_drop, _double, _move, _rename, _set, _set, _set, _unset, _mix, _mix),
)


# --- the judge ------------------------------------------------------------------------------


def outcome_of(sound: Sound, damaged_file: Path, content: bytes, folder: Path) -> Outcome:
    """Import ``sound`` with one of its files replaced; ``folder`` is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    inputs, out = folder / "in", folder / "city"
    inputs.mkdir(parents=True)
    out.mkdir()
    files = []
    for path in sound.files:
        files.append(inputs / path.name)
        files[-1].write_bytes(content if path == damaged_file else path.read_bytes())
    started = time.monotonic()
    try:
        with _time_limit(LIMIT_S):
            verdict, detail = _import(files, out)
    except Exception:  # noqa: BLE001 -- whatever it is, it is the finding
        verdict, detail = "FAILED", traceback.format_exc()
    return Outcome(verdict, detail, time.monotonic() - started)


def _import(files: Sequence[Path], out: Path) -> tuple[str, str]:
    try:
        import_any(files[0], files[1:], out)
    except DataRefused as refusal:
        told = str(refusal)
        if "\n" in told or not refusal.remedy:
            return "FAILED", f"refused in many lines, or without a remedy: {told!r}"
        left = sorted(path.name for path in out.iterdir())
        return ("FAILED", f"left behind {left}") if left else ("refused", told)
    report = json.loads((out / LOSSES_FILE).read_text(encoding="utf-8"))
    city = load_city(out)
    found = problems(city)
    lacking = {j.junction_id for j in city.junctions.values() if j.plan_in_service is None}
    unexplained = lacking - {entry["place"] for entry in report["to_fix"]}
    if unexplained:
        return "FAILED", f"no plan, and not on the to-fix list: {sorted(unexplained)}"
    return "imported", f"{len(found)} problems, {len(report['to_fix'])} to fix"


class _time_limit:  # noqa: N801 -- reads as the statement that it is
    """Raise TimeoutError inside the block when it takes too long, where the system can."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_: object) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, _: int, __: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {self._seconds:g} s")


def run_cases(
    sounds: Sequence[Sound], count: int, seed: int, folder: Path
) -> Iterator[tuple[int, Sound, Outcome, bytes]]:
    """Cases 0 … count − 1 of a seed, with what was fed."""
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        sound = sounds[number % len(sounds)]
        target = rng.choice(sound.files)
        content = damaged(target.read_bytes(), rng)
        yield number, sound, outcome_of(sound, target, content, folder / "case"), content


def main(argv: Sequence[str] | None = None) -> int:
    """Print what became of the cases; 1 when any failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", type=int, default=4000, help="damaged networks")
    parser.add_argument("--maps", type=int, default=400, help="damaged maps (netconvert: slow)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the result here as well")
    parser.add_argument("--keep", type=Path, help="keep the files of failed cases here")
    options = parser.parse_args(argv)
    counts: Counter[tuple[str, str]] = Counter()
    failures, slowest = [], 0.0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        for sounds, count in (
            (sound_networks(folder), options.cases),
            (sound_maps(folder), options.maps),
        ):
            for number, sound, outcome, content in run_cases(sounds, count, options.seed, folder):
                counts[sound.name, outcome.verdict] += 1
                slowest = max(slowest, outcome.seconds)
                if outcome.failed:
                    failures.append({"case": number, "of": sound.name, "detail": outcome.detail})
                    print(f"case {number} of {sound.name}:\n{outcome.detail}", flush=True)
                    if options.keep:
                        options.keep.mkdir(parents=True, exist_ok=True)
                        (options.keep / f"{number}").write_bytes(content)
    print(f"{'file':22} {'refused':>8} {'imported':>9} {'FAILED':>7}")
    for sound_name in dict.fromkeys(name for name, _ in counts):
        row = [counts[sound_name, verdict] for verdict in ("refused", "imported", "FAILED")]
        print(f"{sound_name:22} {row[0]:8} {row[1]:9} {row[2]:7}")
    print(f"{counts.total()} cases, {len(failures)} failed, slowest {slowest:.1f} s")
    if options.json:
        rows = [{"of": n, "verdict": v, "cases": k} for (n, v), k in sorted(counts.items())]
        result = {"seed": options.seed, "slowest_s": round(slowest, 2), "cases": rows}
        result["failures"] = failures
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
