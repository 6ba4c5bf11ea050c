"""Damaged SUMO networks with their additional files."""

from __future__ import annotations

import gzip
from xml.etree import ElementTree as ET

from benchmarks.fuzz.elements import one_file_damaged
from benchmarks.fuzz.judge import Case, Maker
from network_data.sumo_tools import sumo_home

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


def cases() -> Maker:
    """Networks, plain and packed, and additional files, one of them damaged."""
    return one_file_damaged(sound())


def sound() -> list[Case]:
    """Two small networks of SUMO's own: a crossroads with programs, and one with crossings."""
    game = sumo_home() / "tools/game"
    net = (game / "cross/cross.net.xml").read_bytes()
    programs = {"programs.add.xml": _programs_for(net).encode()}
    walked = {
        "walked.net.xml": gzip.decompress((game / "fkk_in/ingolstadt.net.xml.gz").read_bytes()),
        "manual.add.xml": (game / "fkk_in/fkk_in.tls.add.xml").read_bytes(),
    }
    return [
        _case("crossroads", {"cross.net.xml": net, **programs}),
        _case("crossroads, packed", {"cross.net.xml.gz": gzip.compress(net, mtime=0), **programs}),
        _case("with crossings", walked),
    ]


def _case(kind: str, files: dict[str, bytes]) -> Case:
    network, *additional = files
    return Case(kind, files, network, tuple(additional), as_it_is=True)


def _programs_for(net: bytes) -> str:
    root = ET.fromstring(net)
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
