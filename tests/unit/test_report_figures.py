"""Figures that Plotly accepts, in both languages, with colours that everybody can tell apart."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.unit.report_night import (
    BOTTLENECKS,
    CORRIDOR,
    PROPOSED,
    RUNNING,
    SEEDS,
    VERDICT,
    network,
    plan,
)
from traffic_brain.model.verdict import Interval95
from traffic_brain.report import diagram
from traffic_brain.report.figures import localise, shortened, wrapped
from traffic_brain.report.link_map import (
    GROUND,
    LEVEL_COLOURS,
    map_data,
    map_figure,
    worst_picture,
)
from traffic_brain.report.paired import paired_figure
from traffic_brain.report.saved import LinkStates, Pairs
from traffic_brain.report.texts import LANGUAGES, Words, words

JUNCTION_ROWS = {"J1": {"saturation_ratio": 0.8, "imbalance_ratio": 0.2, "delay_veh_h": 9.5}}
SAVED = {"out_travel_s": [40, 60], "back_travel_s": [40, 60]}


def corridor_figure(saved: dict[str, Any] | None = None) -> dict[str, Any]:
    city = network()
    travel = diagram.travel_of(city, CORRIDOR, saved)
    panels = [
        diagram.panel(words(f"corridor.{name}"), city, CORRIDOR, plans, travel, {})
        for name, plans in (("in_service", RUNNING), ("proposed", PROPOSED))
    ]
    return diagram.corridor_figure(city, CORRIDOR, panels)


def all_figures() -> dict[str, dict[str, Any]]:
    runs = Pairs(
        SEEDS,
        VERDICT.in_service_delay_s_per_veh,
        VERDICT.proposed_delay_s_per_veh,
        VERDICT.change_ratio,
    )
    return {
        "map": map_figure(network(), BOTTLENECKS, JUNCTION_ROWS),
        "map without bottlenecks": map_figure(network(), (), {}),
        "corridor": corridor_figure(SAVED),
        "corridor at free flow": corridor_figure(),
        "pairs": paired_figure(runs, of_medians=True),
        "pairs without interval": paired_figure(replace(runs, change_ratio=None), of_medians=False),
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", all_figures())
def test_plotly_knows_every_attribute(name: str, language: str) -> None:
    import plotly.graph_objects as go

    figure = localise(all_figures()[name], language)
    assert go.Figure(figure).data


def has_words(node: object) -> bool:
    if isinstance(node, dict):
        return any(has_words(value) for value in node.values())
    if isinstance(node, list | tuple):
        return any(has_words(value) for value in node)
    return isinstance(node, Words)


def test_a_localised_figure_has_one_language_left() -> None:
    figure = corridor_figure(SAVED)
    assert has_words(figure)
    english = localise(figure, "en")
    assert not has_words(english)
    assert "Time (s)" in str(english)
    assert "时间（秒）" in str(localise(figure, "zh"))


def test_the_diagram_says_the_width_of_each_band() -> None:
    """By hand: offsets 0, 40, 9 (mod 90), 40 s and 60 s apart, greens 50, 52 and 45 s.

    Out: starts of green less the travel from J1: 0, 40 - 40 = 0, 9 - 100 = -91 = -1 (mod 90);
    the greens [0, 50), [0, 52) and [-1, 44) share [0, 44).
    Back: less the travel from J3: 9, 40 - 60 = -20, 0 - 100 = -100 = -10 (mod 90); the greens
    [9, 54), [-20, 32) and [-10, 40) share [9, 32).
    """
    titles = [a["text"].en for a in corridor_figure(SAVED)["layout"]["annotations"]]
    assert titles[1] == "Proposed · out 44 s · back 23 s"


def test_different_cycles_have_no_band_and_say_so() -> None:
    city = network()
    plans = RUNNING | {"J2": plan("J2", (30, 37), 0, "other")}
    travel = diagram.travel_of(city, CORRIDOR, SAVED)
    shown = diagram.panel(words("corridor.in_service"), city, CORRIDOR, plans, travel, {})
    assert diagram.panel_title(shown).zh == "现行方案 · 去程 各路口周期不同 · 回程 各路口周期不同"


def test_a_one_way_corridor_shows_one_direction() -> None:
    city = network()
    one_way = replace(CORRIDOR, back_paths=((), ()))
    travel = diagram.travel_of(city, one_way, {"out_travel_s": [40, 60], "back_travel_s": []})
    shown = diagram.panel(words("corridor.in_service"), city, one_way, RUNNING, travel, {})
    assert diagram.panel_title(shown).en.endswith("back no continuous way")
    figure = diagram.corridor_figure(city, one_way, [shown])
    reds = next(t for t in figure["data"] if t["name"] == words("corridor.red"))
    assert len({y for y in reds["y"] if y is not None}) == 3


def test_junctions_close_together_are_drawn_apart() -> None:
    levels = diagram._levels_px((0.0, 10.0, 1000.0, 1012.0))
    assert all(b - a >= 26 for a, b in pairwise(levels))


def test_map_data_holds_every_link_and_queue() -> None:
    city = network()
    ids = tuple(city.links)
    states = LinkStates(ids, (27_000, 27_300), ("0" * len(ids), "4" * len(ids)), ((-1,), (50,)))
    data = map_data(city, states, BOTTLENECKS)
    assert data["bins"] == ["07:30", "07:35"]
    assert data["first"] == 1
    assert len(data["shapes"]) == len(ids)
    assert [[ids[i] for i in queue] for queue in data["queues"]] == [
        ["J1-J2", "W-J1"],
        ["N-J3"],
    ]


def test_the_map_opens_with_the_worst_picture() -> None:
    assert worst_picture(LinkStates(("a", "b"), (0, 300, 600), ("03", "40", "33"), ())) == 1
    assert worst_picture(LinkStates((), (), (), ())) == 0


def test_two_bottlenecks_on_one_link_share_a_marker_that_names_both() -> None:
    again = replace(BOTTLENECKS[0], bottleneck_id="B003", start_s=30_000, end_s=30_600)
    figure = map_figure(network(), (*BOTTLENECKS, again), {})
    numbers = figure["data"][-1]
    assert numbers["text"] == ["2", "1"]
    assert "same link: #3" in numbers["hovertext"][-1].en


def test_an_interval_that_crosses_zero_is_drawn_as_it_is() -> None:
    runs = Pairs((1, 2, 3), (50.0, 52.0, 51.0), (49.0, 53.0, 51.0), Interval95(0.0, -0.05, 0.05))
    mark = paired_figure(runs, of_medians=True)["data"][-1]
    assert (mark["error_x"]["array"], mark["error_x"]["arrayminus"]) == ([5.0], [5.0])


def test_long_names_lose_their_middle() -> None:
    assert shortened("J1") == "J1"
    assert shortened("cluster_1757124350_1757124352") == "cluster_1…757124352"
    assert shortened("黄山路与科学大道交叉口东进口道") == "黄山路与科…东进口道"


def test_hover_lines_break_at_spaces_and_in_chinese_anywhere() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("一二三四五", 4) == ["一二", "三四", "五"]
    assert wrapped("") == [""]


# Machado, Oliveira, Fernandes 2009, severity 1.0: what a colour-blind person sees (linear RGB).
MACHADO = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
    "full sight": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}  # fmt: skip


def lab(colour: str, matrix: list[list[float]]) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as seen through ``matrix``."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(matrix) @ linear, 0, 1)
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ linear
        / np.array([0.9505, 1.0, 1.089])
    )
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", MACHADO)
def test_levels_are_told_apart_by_everybody(sight: str) -> None:
    """At least 15 CIE76 units between any two levels, and between each and the ground."""
    seen = [lab(colour, MACHADO[sight]) for colour in (*LEVEL_COLOURS, GROUND)]
    least = min(float(np.linalg.norm(a - b)) for i, a in enumerate(seen) for b in seen[:i])
    assert least >= 15
