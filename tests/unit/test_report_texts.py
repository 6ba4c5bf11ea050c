"""Every word in both languages, and the sentences of stages in Chinese."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib.resources import files
from string import Formatter

import pytest

from sim_scenarios.demand import Drivers
from sim_scenarios.gate.calibration import CalibrationLimits
from traffic_brain.fusion.levels import LEVELS
from traffic_brain.model.findings import Cause
from traffic_brain.model.rules import RULE_NAMES
from traffic_brain.model.verdict import Decision
from traffic_brain.report.phrases import translated
from traffic_brain.report.texts import (
    WORDS,
    Words,
    clock,
    code_words,
    number,
    percent,
    plain,
    words,
)

EVIDENCE = "saturation 0.36 here, imbalance 0.45, sum of critical flow ratios 0.5, cycle 90 s"
EVIDENCE_ZH = "本进口饱和度 0.36，失衡 0.45，关键流率比之和 0.5，周期 90 秒"


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_say_something_with_the_same_values(key: str) -> None:
    text = WORDS[key]
    assert text.zh.strip()
    assert text.en.strip()
    assert placeholders(text.zh) == placeholders(text.en)


def test_the_template_asks_for_known_words_only() -> None:
    page = files("traffic_brain.report").joinpath("templates", "page.html").read_text("utf-8")
    keys = set(re.findall(r'(?:\bt|\bwords|empty|sort_head)\("([a-z_.]+)"[,)]', page))
    assert len(keys) > 50
    assert keys <= WORDS.keys()


@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("cause", [c.value for c in Cause]),
        ("decision", [d.value for d in Decision]),
        ("rule", RULE_NAMES),
        ("level", LEVELS),
        ("feed", ["police", "checkpoint", "internet", "transit"]),
        ("health", ["dead", "no_data"]),
        ("fact", [f.name for f in fields(CalibrationLimits)]),
        ("fact", [f.name for f in fields(Drivers)]),
    ],
)
def test_every_code_has_words(group: str, codes: list[str]) -> None:
    missing = [code for code in codes if f"{group}.{code}" not in WORDS]
    assert missing == []


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert code_words("reason", "from_the_future") == Words("from_the_future", "from_the_future")


def test_words_inside_words_keep_their_language() -> None:
    text = words("corridor.panel", which=words("corridor.in_service"), out="1", back="2")
    assert text.zh == "现行方案 · 去程 1 · 回程 2"
    assert text.en == "In service · out 1 · back 2"


def test_braces_in_a_value_are_only_text() -> None:
    assert words("corridor.name", name="{0}{zh}").en == "Corridor {0}{zh}"


def test_numbers_for_people() -> None:
    assert [clock(s) for s in (0, 27_300, 86_400)] == ["00:00", "07:35", "24:00"]
    assert [number(v) for v in (12345.67, -0.25, None, float("nan"))] == [
        "12,345.7",
        "−0.2",
        "–",
        "–",
    ]
    assert percent(-0.183, signed=True) == "−18.3 %"
    assert percent(0.02, signed=True) == "+2.0 %"
    assert percent(None) == "–"


def test_markup_in_names_is_only_text_for_plotly() -> None:
    assert plain("<a href='x'>&b</a>") == "&lt;a href='x'&gt;&amp;b&lt;/a&gt;"


@pytest.mark.parametrize(
    ("sentence", "chinese"),
    [
        (
            f"green is enough but vehicles meet red: {EVIDENCE}",
            f"绿灯够用，但车辆到达时遇红灯：{EVIDENCE_ZH}",
        ),
        (
            "not shown to be better: -1.0% [-3.1%, +1.1%]",
            "未能证明更好：-1.0% [-3.1%, +1.1%]",
        ),
        ("common cycle of 70 s, green waves", "统一周期 70 秒，绿波协调"),
        (
            "common cycle of 50 s, stages chosen anew, offsets of least delay",
            "统一周期 50 秒，重新选定阶段，相位差使延误最小",
        ),
        (
            (
                "cycles, splits, offsets and stages refined together in the rebuilt city, "
                "protections freed"
            ),
            "周期、绿信比、相位差与阶段在重建城市中联合优化，受保护的转向可改为许可",
        ),
        (
            "next link a{0}b runs at 21% of its free-flow speed",
            "下游路段 a{0}b 的车速仅为自由流的 21%",
        ),
        (
            (
                "from 08:05 on hardly anybody gets through, 3 in five minutes (30 on the median "
                "of the day), and the way on is free: something stands in the way"
            ),
            "自 08:05 起几乎无车通过，五分钟仅 3 辆（当日中位数 30 辆），而下游畅通：有物占道",
        ),
        (
            "6 vehicles were lifted off the road, in service 0: delay changes by -27.6%",
            "仿真中有 6 辆车被移出道路（现行方案 0 辆）：延误变化 -27.6%",
        ),
        ("something new", "something new"),
    ],
)
def test_sentences_of_stages_in_chinese(sentence: str, chinese: str) -> None:
    assert translated(sentence) == Words(chinese, sentence)


def test_evidence_of_counterfactuals_names_causes_in_words() -> None:
    found = translated(
        "OFFSET 61% [40%, 70%], CYCLE 20% [10%, 30%]; the model explains 84% of the delay observed "
        "with lane 1 closed; a retiming gives back 3.2 of 12.0 veh-h around it; redesign, do not "
        "retime: sum of critical flow ratios 0.97"
    )
    assert found.en.startswith("Offsets do not match 61% [40%, 70%], Unsuitable cycle 20%")
    assert found.zh == (
        "相位差不协调 61% [40%, 70%], 周期不合适 20% [10%, 30%]；模型解释了实测延误的 84%"
        "（情形：车道 1 被占）；调整配时可减少周边 3.2 / 12.0 车·时；关键流率比之和 0.97，"
        "应改造渠化，不宜只调配时"
    )


@pytest.mark.parametrize(
    ("ending", "chinese"),
    [
        ("no better timing was found", "未找到更好的配时"),
        ("what a retiming gives back cannot be told from that", "据此无法估计调整配时的效果"),
    ],
)
def test_evidence_without_a_promise(ending: str, chinese: str) -> None:
    found = translated(
        f"CYCLE 20% [10%, 30%]; the model explains 84% of the delay observed; {ending}"
    )
    assert found.zh == f"周期不合适 20% [10%, 30%]；模型解释了实测延误的 84%；{chinese}"
