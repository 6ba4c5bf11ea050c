"""A small town in UTDF, written by hand: an arterial with two signals, a stop sign and a bend.

::

            11                21
            |                 |
      1 --- 10 ------ 15 ---- 20 --- 2       10, 20: signals; 15: stop sign with a side street
            |         |       |              16: bend on the way from 15 to 17
            12        16-17   22             all others: ends of the map

Feet and miles per hour. Signal 10 has two rings and protected-permitted lefts, signal 20 two
phases in one ring; the through lanes of 20 are shared with its turns.
"""

from __future__ import annotations

_NODES = """\
1,1,0,0,0,,
2,1,3000,0,0,,
10,0,800,0,0,Main at First,
11,1,800,700,0,,
12,1,800,-700,0,,
15,3,1500,0,0,,
16,2,1500,-400,0,,
17,1,1900,-600,0,,
20,0,2300,0,0,,
21,1,2300,600,0,,
22,1,2300,-600,0,,
"""
_LINKS = """\
Up ID,1,,,,10
Lanes,1,,,,2
Name,1,,,,Main
Distance,1,,,,800
Speed,1,,,,40
Up ID,2,,,20,
Lanes,2,,,2,
Name,2,,,Main,
Distance,2,,,700,
Speed,2,,,40,
Up ID,10,12,11,1,15
Lanes,10,2,2,4,3
Name,10,First,First,Main,Main
Distance,10,700,700,800,700
Speed,10,30,30,40,40
Up ID,11,10,,,
Lanes,11,1,,,
Name,11,First,,,
Distance,11,700,,,
Speed,11,30,,,
Up ID,12,,10,,
Lanes,12,,1,,
Name,12,,First,,
Distance,12,,700,,
Speed,12,,30,,
Up ID,15,16,,10,20
Lanes,15,1,,2,2
Name,15,Lane,,Main,Main
Distance,15,400,,700,800
Speed,15,25,,40,40
Up ID,16,,15,,17
Lanes,16,,1,,1
Name,16,,Lane,,Lane
Distance,16,,400,,450
Speed,16,,25,,25
Curve Pt X,16,,,,1600
Curve Pt Y,16,,,,-420
Up ID,17,,,16,
Lanes,17,,,1,
Name,17,,,Lane,
Distance,17,,,450,
Speed,17,,,25,
Curve Pt X,17,,,1800,
Curve Pt Y,17,,,-560,
Up ID,20,22,21,15,2
Lanes,20,1,1,2,2
Name,20,Second,Second,Main,Main
Distance,20,600,600,800,700
Speed,20,30,30,40,40
Up ID,21,20,,,
Lanes,21,1,,,
Name,21,Second,,,
Distance,21,600,,,
Speed,21,30,,,
Up ID,22,,20,,
Lanes,22,,1,,
Name,22,,Second,,
Distance,22,,600,,
Speed,22,,30,,
"""
_LANES = """\
Up Node,10,12,12,12,11,11,11,1,1,1,15,15,15
Dest Node,10,1,11,15,15,12,1,11,15,12,12,1,11
Lanes,10,1,1,0,1,1,0,1,2,1,1,2,0
Shared,10,0,2,,0,2,,0,0,,0,2,
Storage,10,150,,,150,,,200,,120,200,,
StLanes,10,1,,,1,,,1,,1,1,,
Phase1,10,,8,,,4,,1,6,,5,2,
PermPhase1,10,8,,,4,,,6,,6,2,,
SatFlow,10,1770,1800,0,1770,1790,0,1770,3539,1583,1770,3500,0
Allow RTOR,10,1,1,1,1,1,1,1,1,1,1,1,1
Volume,10,60,120,30,50,110,40,150,900,80,90,700,60
PHF,10,0.92,0.92,0.92,0.92,0.92,0.92,0.92,0.92,0.92,0.92,0.92,0.92
DetectPos1,10,0,0,,0,0,,0,0,0,0,0,
DetectPos2,10,,,,,,,,180,,,180,
Up Node,15,16,,16,,,,,10,10,20,20,
Dest Node,15,10,,20,,,,,20,16,16,10,
Lanes,15,1,,0,,,,,2,0,0,2,
Shared,15,2,,,,,,,2,,,1,
Volume,15,20,,30,,,,,900,20,30,760,
SignControl,15,1,,,,,,,0,,,0,
Up Node,20,22,22,22,21,21,21,15,15,15,2,2,2
Dest Node,20,15,21,2,2,22,15,21,2,22,22,15,21
Lanes,20,0,1,0,0,1,0,0,2,0,0,2,0
Shared,20,,3,,,3,,,3,,,3,
Phase1,20,,4,,,4,,,2,,,2,
PermPhase1,20,4,,,4,,,2,,,2,,
SatFlow,20,0,1700,0,0,1700,0,0,3300,0,0,3300,0
Allow RTOR,20,0,0,0,0,0,0,0,0,0,0,0,0
Volume,20,20,60,30,20,70,20,40,850,30,30,800,50
"""
_TIMEPLANS = """\
Control Type,10,3
Cycle Length,10,90
Referenced To,10,0
Reference Phase,10,206
Offset,10,12
Node 0,10,10
Node 1,10,0
Control Type,20,0
Cycle Length,20,60
Referenced To,20,1
Reference Phase,20,2
Offset,20,5
Node 0,20,20
Node 1,20,0
"""
_PHASES = """\
BRP,10,111,112,,211,121,122,,221
MinGreen,10,5,10,,7,5,10,,7
MaxGreen,10,10,31,,33,16,25,,33
Yellow,10,3,4,,4,3,4,,4
AllRed,10,1,2,,2,1,2,,2
Walk,10,,7,,7,,7,,7
DontWalk,10,,11,,20,,11,,20
Start,10,82,6,,43,82,12,,43
BRP,20,,111,,112
MinGreen,20,,8,,6
MaxGreen,20,,30,,20
Yellow,20,,3.5,,3
AllRed,20,,1.5,,2
Start,20,,35,,10
"""


def utdf_text(
    *, network: str = "Metric,0\n", plans: tuple[tuple[str, str], ...] = ((_TIMEPLANS, _PHASES),)
) -> str:
    """The town as a combined csv; ``plans``: (rows of Timeplans, rows of Phases)."""
    text = f"[Network]\nNetwork Settings\nRECORDNAME,DATA\nUTDFVERSION,8\n{network}\n"
    text += f"[Nodes]\nNode Data\nINTID,TYPE,X,Y,Z,DESCRIPTION,CBD\n{_NODES}\n"
    text += f"[Links]\nLink Data\nRECORDNAME,INTID,NB,SB,EB,WB\n{_LINKS}\n"
    columns = "NBL,NBT,NBR,SBL,SBT,SBR,EBL,EBT,EBR,WBL,WBT,WBR"
    text += f"[Lanes]\nLane Group Data\nRECORDNAME,INTID,{columns}\n{_LANES}\n"
    for timeplans, phases in plans:
        text += f"[Timeplans]\nTiming Plan Settings\nRECORDNAME,INTID,DATA\n{timeplans}\n"
        if phases:
            text += "[Phases]\nPhasing Data\nRECORDNAME,INTID,D1,D2,D3,D4,D5,D6,D7,D8\n"
            text += f"{phases}\n"
    return text


TIMEPLANS, PHASES = _TIMEPLANS, _PHASES
