"""Paired runs: the same seeds under the plans in service and under the proposed ones."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from traffic_brain.model.verdict import Interval95
from traffic_brain.report.figures import GRID, INK, LINE, PAPER, Figure, layout
from traffic_brain.report.saved import Pairs
from traffic_brain.report.texts import Words, number, percent, words

BETTER, WORSE = "#1f6fb5", "#d98a00"


def paired_figure(runs: Pairs, *, of_medians: bool) -> Figure:
    """Left, each seed under both plans; right, each seed's change with its interval.

    Args:
        of_medians: the middle is the median, as the check decides by; else the mean.
    """
    seeds, change_ratio = runs.seeds, runs.change_ratio
    in_service, proposed = runs.in_service_s_per_veh, runs.proposed_s_per_veh
    names = [words("verdict.in_service"), words("verdict.proposed")]
    labels = [words("verdict.seed", seed=seed) for seed in seeds]
    changes = [100 * (new - old) / old for old, new in zip(in_service, proposed, strict=True)]
    pairs: Figure = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": words("verdict.each_seed"),
        "x": [v for _ in seeds for v in (0, 1, None)],
        "y": [v for a, b in zip(in_service, proposed, strict=True) for v in (a, b, None)],
        "hovertext": [v for label in labels for v in (label, label, None)],
        "hoverinfo": "y+text",
        "line": {"color": "#a7b1bb", "width": 1.3},
        "marker": {"color": "#7c8792", "size": 7},
        "showlegend": False,
    }
    dots: Figure = {
        "type": "scatter",
        "mode": "markers",
        "name": words("verdict.each_seed"),
        "x": [round(c, 3) for c in changes],
        "y": list(range(len(seeds), 0, -1)),
        "hovertext": labels,
        "hoverinfo": "x+text",
        "marker": {"color": [BETTER if c < 0 else WORSE for c in changes], "size": 9},
        "xaxis": "x2",
        "yaxis": "y2",
        "showlegend": False,
    }
    name = words("verdict.median" if of_medians else "verdict.mean")
    middle = median if of_medians else fmean
    data = [pairs, _middles(middle(in_service), middle(proposed), name), dots]
    if change_ratio is not None:
        data.append(_interval_mark(change_ratio, name))
    return {"data": data, "layout": _pairedlayout(names, labels)}


def _middles(in_service_s: float, proposed_s: float, name: Words) -> Figure:
    middles = [in_service_s, proposed_s]
    return {
        "type": "scatter",
        "mode": "lines+markers+text",
        "name": name,
        "x": [0, 1],
        "y": middles,
        "text": [f"<b>{number(middles[0])}</b>", f"<b>{number(middles[1])}</b>"],
        "textposition": ["middle left", "middle right"],
        "line": {"color": INK, "width": 2.5},
        "marker": {"color": INK, "size": 10, "symbol": "diamond"},
        "hoverinfo": "y+name",
        "showlegend": False,
    }


def _interval_mark(change: Interval95, name: Words) -> Figure:
    mean, low, high = (100 * v for v in (change.mean, change.low, change.high))
    errors = {
        "type": "data",
        "symmetric": False,
        "array": [high - mean],
        "arrayminus": [mean - low],
    }
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": name,
        "x": [mean],
        "y": [-0.2],
        "text": [f"<b>{percent(change.mean, signed=True)}</b>"],
        "textposition": "bottom center",
        "error_x": errors | {"color": INK, "thickness": 2.5, "width": 7},
        "marker": {"color": INK, "size": 12, "symbol": "diamond"},
        "hoverinfo": "x+name",
        "xaxis": "x2",
        "yaxis": "y2",
        "showlegend": False,
    }


def _pairedlayout(names: Sequence[Words], labels: Sequence[Words]) -> Figure:
    line = {"showline": True, "linecolor": LINE, "zeroline": False, "gridcolor": GRID}
    heading = {"xref": "paper", "yref": "paper", "y": 1, "yshift": 8, "showarrow": False}
    heading |= {"xanchor": "left", "yanchor": "bottom", "font": {"size": 13, "color": INK}}
    rows = len(labels)
    return layout(max(300, 130 + 22 * rows)) | {
        "margin": {"l": 64, "r": 20, "t": 36, "b": 52},
        "plot_bgcolor": PAPER,
        "hovermode": "closest",
        "uirevision": "paired",
        "xaxis": line
        | {"domain": [0, 0.38], "range": [-0.45, 1.45], "anchor": "y", "showgrid": False}
        | {"tickmode": "array", "tickvals": [0, 1], "ticktext": list(names)},
        "yaxis": line
        | {"anchor": "x", "title": {"text": words("verdict.delay_axis"), "font": {"size": 12}}},
        "xaxis2": line
        | {"domain": [0.52, 1], "anchor": "y2", "zeroline": True, "zerolinecolor": INK}
        | {
            "zerolinewidth": 1.2,
            "title": {"text": words("verdict.change_axis"), "standoff": 8, "font": {"size": 12}},
        }
        | {"rangemode": "tozero"},
        "yaxis2": line
        | {"anchor": "x2", "range": [-1.4, rows + 0.8], "showgrid": False}
        | {"tickmode": "array", "tickvals": [*range(rows, 0, -1), -0.2]}
        | {"ticktext": [*labels, words("verdict.mean")]},
        "annotations": [
            heading | {"text": words("verdict.pairs"), "x": 0},
            heading | {"text": words("verdict.changes"), "x": 0.52},
        ],
    }
