"""Sentences that stages save in English, in Chinese.

A stage's sentence carries figures; the patterns here know its shape. A sentence of a shape that
is not known is shown as it was saved.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from traffic_brain.model.findings import Cause
from traffic_brain.report.texts import Words, code_words


def translated(sentence: str) -> Words:
    """A saved sentence in both languages; codes of causes in it become words."""
    found = _translated(sentence)
    return Words(_without_codes(found.zh, "zh"), _without_codes(found.en, "en"))


def _translated(sentence: str) -> Words:
    for pattern, chinese in _PATTERNS:
        found = pattern.fullmatch(sentence)
        if found:
            parts = (_translated(part).zh for part in found.groups())
            return Words(chinese.format(*parts), sentence)
    return Words(sentence, sentence)


def _without_codes(text: str, language: str) -> str:
    return _CODE.sub(lambda found: getattr(code_words("cause", found[0]), language), text)


_CODE = re.compile(r"\b(?:" + "|".join(cause.value for cause in Cause) + r")\b")
_SENTENCES: Sequence[tuple[str, str]] = (
    # evidence of a bottleneck
    (
        r"(.+); redesign, do not retime: sum of critical flow ratios (\S+)",
        "{}；关键流率比之和 {}，应改造渠化，不宜只调配时",
    ),
    (
        r"(.+); the model explains (\S+) of the delay observed with (.+); (.+)",
        "{}；模型解释了实测延误的 {}（情形：{}）；{}",
    ),
    (
        r"(.+); the model explains (\S+) of the delay observed; (.+)",
        "{}；模型解释了实测延误的 {}；{}",
    ),
    (
        r"a retiming gives back (\S+) of (\S+) veh-h around it",
        "调整配时可减少周边 {} / {} 车·时",
    ),
    (r"(.+): less than the model can tell", "{}，小于模型误差，不计入"),
    (r"no better timing was found", "未找到更好的配时"),
    (r"what a retiming gives back cannot be told from that", "据此无法估计调整配时的效果"),
    (
        r"no plan meets the incident again, so no retiming is judged by that day",
        "事件不会重现，当日不用于评价配时",
    ),
    (r"lane (\d+) closed (\d+)-(\d+)", "车道 {} 在 {}–{} 秒被占"),
    (r"lane (\d+) closed, flow (\S+)", "车道 {} 被占，流量为估计值的 {}"),
    (r"lane (\d+) closed", "车道 {} 被占"),
    (r"bay of lane (\d+) holds (\S+)", "车道 {} 的展宽段只容 {} 辆"),
    (r"discharge (\S+)", "放行能力为平常的 {}"),
    (r"not looked at: (\d+) queues cost more", "未做分解：另有 {} 处排队代价更大"),
    (
        r"(\S+) says (\S+) km/h on (.+), bin after bin: it is stuck",
        "{} 数据显示 {} 公里/时（路段 {}）且长时间不变：数据卡死",
    ),
    (
        r"(\S+) says (\S+) km/h on (.+), (\S+) (\S+)",
        "{} 数据显示 {} 公里/时（路段 {}），而 {} 为 {}",
    ),
    (r"next link (.+) runs at (.+) of its free-flow speed", "下游路段 {} 的车速仅为自由流的 {}"),
    (r"no fixed signal plan at the head of the queue", "排队头部没有固定配时方案"),
    (
        (
            r"from (\S+) on hardly anybody gets through, (\d+) in five minutes "
            r"\((\d+) on the median of the day\), "
            r"and the way on is free: something stands in the way"
        ),
        "自 {} 起几乎无车通过，五分钟仅 {} 辆（当日中位数 {} 辆），而下游畅通：有物占道",
    ),
    (
        r"no signal here, it gives way to (.+): more come than get in",
        "此处无信号灯，须让行 {}：来车多于可汇入车辆",
    ),
    (
        r"no signal here, (\d+) lanes become (\d+): more come than get through",
        "此处无信号灯，{} 条车道变为 {} 条：来车多于可通过车辆",
    ),
    (r"redesign, do not retime: (.+)", "应改造渠化，不宜只调配时：{}"),
    (r"green is enough but vehicles meet red: (.+)", "绿灯够用，但车辆到达时遇红灯：{}"),
    (
        r"saturation (\S+) here, imbalance (\S+), sum of critical flow ratios (\S+), cycle (\S+) s",
        "本进口饱和度 {}，失衡 {}，关键流率比之和 {}，周期 {} 秒",
    ),
    # reason of a verdict
    (
        r"(\d+) vehicles were lifted off the road, in service (\d+): (.+)",
        "仿真中有 {} 辆车被移出道路（现行方案 {} 辆）：{}",
    ),
    (r"delay changes by (.+)", "延误变化 {}"),
    (r"worse than the plans in service: (.+)", "比现行方案差：{}"),
    (r"not shown to be better: (.+)", "未能证明更好：{}"),
    # the check of a large city, area by area
    (
        r"(\d+) of (\d+) areas were checked, (\S+) of the city's delay(; .+)",
        "共检验 {} / {} 个子区，占全市延误 {}{}",
    ),
    (r"; (\d+) could not be: (.+?)(; (?:none|\d+) may .+)", "；{} 个无法检验：{}{}"),
    (r"; none may change its plans", "；均不得改变方案"),
    (r"; none may change its plans: (.+)", "；均不得改变方案：{}"),
    (r"; (\d+) may change their plans", "；其中 {} 个可下发新方案"),
    (
        r"; (\d+) may change their plans; there delay changes by (.+)",
        "；其中 {} 个可下发新方案，其延误变化 {}",
    ),
    (
        r"not checked tonight: the time for the check was spent on areas with more to save",
        "今夜未检验：检验时间已用于可节省延误更多的子区",
    ),
    (r"the gain is too small to change plans for: (.+)", "改善太小，不值得更换方案：{}"),
    (r"one day came out (\S+): (.+)", "其中一天的结果为 {}：{}"),
    (r"too few pairs for an interval", "配对次数太少，无法给出区间"),
    (r"no plan was proposed: nothing here can be retimed", "没有可以调整配时的路口"),
    (r"the feeds show no vehicle that could be simulated", "数据中没有可以仿真的车辆"),
    (
        r"no candidate was better than the plans in service in the screening",
        "初筛中没有一组候选方案优于现行方案",
    ),
    # why plans were not refined together
    (r"there is no candidate", "没有候选方案"),
    (
        r"(\d+) junctions may be retimed, at most (\d+) are refined \(\[refine\] most_refined\)",
        "可调配时的路口有 {} 个，最多联合优化 {} 个（[refine] most_refined）",
    ),
    (
        r"(\d+) vehicles drove, at most (\d+) are simulated so often \(\[refine\] most_\w+\)",
        "共有 {} 辆车，反复仿真时最多 {} 辆（[refine] most_vehicles）",
    ),
    (
        r"nothing better was found than the plans in service",
        "没有找到优于现行方案的配时",
    ),
    (r"a rule is broken at (.+)", "不符合安全规则的路口：{}"),
    # description of a set of plans
    (r"common cycle of (\d+) s, (.+)", "统一周期 {} 秒，{}"),
    (r"cycles as in service, (.+)", "周期不变，{}"),
    (r"each junction its own best cycle, (.+)", "各路口采用各自最佳周期，{}"),
    (
        r"cycles, splits, offsets and stages refined together in the rebuilt city, (.+)",
        "周期、绿信比、相位差与阶段在重建城市中联合优化，{}",
    ),
    (r"protections kept", "保留受保护的转向"),
    (r"protections freed", "受保护的转向可改为许可"),
    (r"stages chosen anew, (.+)", "重新选定阶段，{}"),
    (r"green waves", "绿波协调"),
    (r"offsets of least delay", "相位差使延误最小"),
)
_PATTERNS = tuple((re.compile(english), chinese) for english, chinese in _SENTENCES)
