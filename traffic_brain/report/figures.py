"""What all figures share: colours, fonts, names, and the two languages.

A figure is ``{"data": [...], "layout": {...}}`` in Plotly's own words, as a plain dictionary,
except that a text may be :class:`~traffic_brain.report.texts.Words`; :func:`localise` turns it
into one language. Making a figure needs no Plotly, and computes nothing that a stage has not
saved, but geometry.
"""

from __future__ import annotations

from typing import Any

from traffic_brain.model.network import RoadNetwork
from traffic_brain.report.texts import Words

Figure = dict[str, Any]

FONTS = (
    '"Segoe UI", "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, "Noto Sans CJK SC", '
    '"Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei", sans-serif'
)
"""Latin letters first, then what systems have for Chinese; nothing is loaded."""
INK, MUTED, PAPER, GROUND = "#1c2733", "#66727f", "#ffffff", "#f5f7f9"
LINE, GRID = "#c9d1d9", "#edf0f3"
CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "modeBarButtons": [["zoomIn2d", "zoomOut2d", "resetScale2d"], ["zoom2d", "pan2d"], ["toImage"]],
}
"""How Plotly may behave. Its buttons are a list of what is allowed, since one of those that it
shows by default uploads the figure to its maker's servers."""
MODEBAR = {"bgcolor": "rgba(0, 0, 0, 0)", "color": MUTED, "activecolor": INK}

_NAME_CELLS = 20


def localise(node: Any, language: str) -> Any:
    """A figure (or any part of one) with every :class:`Words` in one language."""
    if isinstance(node, Words):
        return getattr(node, language)
    if isinstance(node, dict):
        return {key: localise(value, language) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [localise(value, language) for value in node]
    return node


def junction_name(network: RoadNetwork, junction_id: str) -> str:
    """What people call a junction; its id where it has no name."""
    junction = network.junctions.get(junction_id)
    return junction.name if junction and junction.name else junction_id


def link_name(network: RoadNetwork, link_id: str) -> str:
    """What people call a link; its id where it has no name."""
    link = network.links.get(link_id)
    return link.name if link and link.name else link_id


def layout(height_px: int) -> Figure:
    """The layout that every figure starts from; the width is the page's."""
    return {
        "height": height_px,
        "autosize": True,
        "font": {"family": FONTS, "size": 12, "color": INK},
        "paper_bgcolor": PAPER,
        "hoverlabel": {"font": {"family": FONTS, "size": 12}, "align": "left"},
        "modebar": MODEBAR,
    }


def translucent(colour: str, alpha: float) -> str:
    """``#rrggbb`` seen through, as Plotly writes it."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha})"


def cells(text: str) -> int:
    """Width of a text, a Chinese character counting double."""
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text)


def shortened(text: str) -> str:
    """A name for an axis: the middle is left out where it is too long."""
    if cells(text) <= _NAME_CELLS:
        return text
    head, tail = "", ""
    while cells(head + tail) < _NAME_CELLS - 2:
        if cells(head) <= cells(tail):
            head += text[len(head)]
        else:
            tail = text[-len(tail) - 1] + tail
    return f"{head}…{tail}"


def wrapped(text: str, width: int = 56) -> list[str]:
    """Lines of a hover label; breaks at spaces, or anywhere in Chinese."""
    lines = [""]
    for piece in _pieces(text):
        if lines[-1] and cells(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return [line.rstrip() for line in lines]


def _pieces(text: str) -> list[str]:
    found = [""]
    for character in text:
        if found[-1] and (ord(character) > 0x2E7F or found[-1].endswith(" ")):
            found.append("")
        found[-1] += character
    return found
