"""Every word of the report, in Chinese and English, in one place.

A word travels through figures and tables as :class:`Words`; the page holds both languages and
shows one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Final

LANGUAGES: Final = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Words:
    """The same text in Chinese and in English."""

    zh: str
    en: str

    def fill(self, **values: object) -> Words:
        """Both texts with ``{placeholders}`` filled; a value may itself be :class:`Words`."""
        return Words(
            self.zh.format(**{k: v.zh if isinstance(v, Words) else v for k, v in values.items()}),
            self.en.format(**{k: v.en if isinstance(v, Words) else v for k, v in values.items()}),
        )


def words(key: str, **values: object) -> Words:
    """The text of ``key``.

    Raises:
        KeyError: there is no such text.
    """
    found = WORDS[key]
    return found.fill(**values) if values else found


def code_words(group: str, code: str) -> Words:
    """The plain words of a code (``"cause"``, ``"reason"``, ``"health"``, …).

    A code that is new here is shown as it is: better than nothing, and never wrong.
    """
    return WORDS.get(f"{group}.{code}", Words(code, code))


def plain(text: str) -> str:
    """Text from a file as Plotly shall show it: letter by letter, never as its markup.

    Plotly reads ``<b>`` and ``<a href>`` in labels as markup, and entities as characters.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def clock(time_s: float) -> str:
    """Seconds of the service day -> ``HH:MM``; the day's end is 24:00."""
    minutes = int(time_s) // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def number(value: float | None, digits: int = 1) -> str:
    """A number for people: thousands apart, a true minus, an en dash for none."""
    if value is None or isnan(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")


def percent(ratio: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A ratio as percent, with a plus sign for gains when ``signed``."""
    if ratio is None or isnan(ratio):
        return "–"
    sign = "+" if signed else ""
    return f"{100 * ratio:{sign}.{digits}f} %".replace("-", "−")


WORDS: Mapping[str, Words] = {
    # the page
    "page.title": Words("交通大脑 · 夜间报告", "Traffic brain · night report"),
    "page.subtitle": Words("{city} · 运行日 {day}", "{city} · service day {day}"),
    "page.period": Words("数据时段 {begin}–{end}", "data from {begin} to {end}"),
    "page.print": Words("打印", "Print"),
    "page.footer": Words(
        "本页全部数字取自本夜已保存的结果，页面不重新计算，也不访问网络。",
        "Every figure on this page is taken from the night's saved results; "
        "the page computes nothing anew and never goes online.",
    ),
    "nav.summary": Words("概要", "Summary"),
    "nav.map": Words("堵点一张图", "Map"),
    "nav.corridors": Words("干线绿波", "Corridors"),
    "nav.plans": Words("配时方案", "Plans"),
    "nav.verdict": Words("评判", "Verdict"),
    "nav.safety": Words("安全证书", "Safety"),
    "nav.data": Words("数据质量", "Data"),
    "nav.definitions": Words("名词定义", "Definitions"),
    # head
    "decision.DEPLOY": Words("建议下发", "Deploy"),
    "decision.KEEP": Words("维持现方案", "Keep the plans in service"),
    "decision.INCONCLUSIVE": Words("暂无定论", "Inconclusive"),
    "decision.DEPLOY.means": Words(
        "新方案在配对仿真中被证明更好，建议下发。",
        "The new plans were shown to be better in paired simulation: deploy them.",
    ),
    "decision.KEEP.means": Words(
        "没有证明新方案更好，路口维持现行方案。",
        "The new plans were not shown to be better: the plans in service stay.",
    ),
    "decision.INCONCLUSIVE.means": Words(
        "证据不足以判断好坏，路口维持现行方案。",
        "The evidence does not decide either way: the plans in service stay.",
    ),
    "head.change": Words("仿真评判：车均延误变化", "Check in simulation: change of delay"),
    "head.interval": Words("95 % 区间 {low} 至 {high}", "95 % interval {low} to {high}"),
    "head.no_interval": Words("没有进行配对比较", "no paired comparison was made"),
    "head.world": Words("城市实况：车均延误", "In the world: delay per vehicle"),
    "head.world.change": Words(
        "变化 {mean}，95 % 区间 {low} 至 {high}", "change {mean}, 95 % interval {low} to {high}"
    ),
    "head.world.kept": Words("方案维持不变", "the plans were kept"),
    "head.no_world": Words(
        "方案下发后由实测数据评价。", "Measured from the feeds once the plans are in use."
    ),
    "head.no_world.value": Words("尚未实测", "not yet measured"),
    "head.rows_used": Words("融合数据行", "Rows fused"),
    "head.rows_read": Words("共读取 {rows} 行", "of {rows} rows read"),
    "head.quarantined": Words("隔离数据行", "Rows quarantined"),
    "head.quarantined.share": Words("占 {share}，原因见“数据质量”", "{share}; reasons under Data"),
    "head.bottlenecks": Words("堵点", "Bottlenecks"),
    "head.bottlenecks.delay": Words("合计延误 {delay} 车·时", "{delay} veh·h of delay in all"),
    "head.plans": Words("拟调整路口", "Junctions to change"),
    "head.plans.of": Words("全市信号路口 {count} 个", "of {count} signal junctions"),
    "head.plans.kept": Words("评判后不下发", "not handed over after the check"),
    "unit.s_per_veh": Words("秒/车", "s/veh"),
    # map
    "map.title": Words("堵点一张图", "Map of link states and bottlenecks"),
    "map.lead": Words(
        "路段按拥堵等级着色（色盲友好），数字为堵点名次；点击右侧列表可定位并显示其排队路段。",
        "Links are coloured by level (colour-blind safe); numbers are the ranks of bottlenecks. "
        "Choose a row of the list to find it and see the links inside its queue.",
    ),
    "map.time": Words("时刻", "Time"),
    "map.play": Words("播放", "Play"),
    "map.pause": Words("暂停", "Pause"),
    "map.whole": Words("显示全图", "Whole map"),
    "map.stride": Words("每 {minutes} 分钟显示一幅", "one picture every {minutes} minutes"),
    "map.junctions": Words("信号路口", "Signal junctions"),
    "map.bottlenecks": Words("堵点（名次）", "Bottlenecks (rank)"),
    "map.others": Words("其余堵点", "Other bottlenecks"),
    "map.queue": Words("选中堵点的排队", "Queue of the chosen bottleneck"),
    "map.kmh": Words("公里/时", "km/h"),
    "map.waited": Words(
        "{name} 的排队延伸到路网之外：约 {vehicles} 辆车在路网边缘外等候，共 {delay} 车·时（推算，"
        "不在上述延误之内）",
        "The queue of {name} reaches beyond the map: about {vehicles} vehicles waited before its "
        "edge, {delay} veh·h in all (inferred, not part of the delays above)",
    ),
    "map.none": Words("本夜没有发现堵点。", "No bottleneck was found this night."),
    "map.no_state": Words("没有可显示的路段状态。", "There are no link states to show."),
    "level.free": Words("畅通", "free"),
    "level.mostly_free": Words("基本畅通", "mostly free"),
    "level.light": Words("轻度拥堵", "light congestion"),
    "level.moderate": Words("中度拥堵", "moderate congestion"),
    "level.severe": Words("严重拥堵", "severe congestion"),
    "level.none": Words("无数据", "no data"),
    "list.printed": Words("打印件只列出前 60 名。", "On paper, the first 60 are listed."),
    "list.delay": Words("延误（车·时）", "Delay (veh·h)"),
    "list.savable": Words("可节省（车·时）", "Savable (veh·h)"),
    "list.passive": Words("排队内路段 {count} 条", "links inside the queue: {count}"),
    "shares.title": Words("反事实分解", "Counterfactual shares"),
    "shares.cause": Words("堵因", "Cause"),
    "shares.share": Words("份额", "Share"),
    "shares.interval": Words("区间", "Interval"),
    "shares.mend": Words("怎样改善", "What would mend it"),
    "shares.note": Words(
        "每次只改变一项（配时、下游、展宽段、车道、需求……）重放排队模型，"
        "份额为该项减少的延误占全部之和；区间来自需求的多次抽样。",
        "One thing at a time is mended and the queue model driven again; a share is its gain over "
        "the sum of all gains, the interval that over draws of the demand.",
    ),
    "shares.savable": Words(
        "调整配时最多可节省 {savable} 车·时（该堵点延误的 {ratio}）",
        "The best retiming saves {savable} veh·h, {ratio} of its delay",
    ),
    "shares.treatments": Words("治理措施", "Treatments"),
    "mend.SPLIT_IMBALANCE": Words("在原周期内重新分配绿灯", "share out the greens anew"),
    "mend.OFFSET": Words("调整相位差", "shift the offset"),
    "mend.CYCLE": Words("改变周期", "change the cycle"),
    "mend.DEMAND_ABOVE_CAPACITY": Words("减少或分流需求", "fewer vehicles at this time"),
    "mend.SPILLBACK_FROM_ELSEWHERE": Words("先疏通下游", "clear the street downstream"),
    "mend.TURN_BAY_OR_LANE_USE": Words(
        "加长展宽段、调整车道功能", "longer bay, other use of lanes"
    ),
    "mend.CAPACITY_LOSS": Words("清除占道", "clear the lane"),
    "mend.INCIDENT": Words("快速处置事件", "respond to the incident"),
    "mend.PLAN_OUT_OF_DATE": Words("按现在的需求重新配时", "retime for the demand of today"),
    "mend.BROKEN_SENSOR": Words("修复检测器", "mend the sensor"),
    "mend.UNKNOWN": Words("模型未能解释", "not explained by the model"),
    "treatment.retime": Words("调整配时（见方案页）", "retime (see the plans)"),
    "treatment.redesign": Words("改造渠化", "redesign the junction"),
    "treatment.lane_use": Words("调整车道功能", "change the use of lanes"),
    "treatment.hold_back": Words("上游截流控制", "hold traffic back upstream"),
    "treatment.treat_downstream": Words("先治理下游路口", "treat the junction downstream first"),
    "treatment.lengthen_bay": Words("加长转向展宽段", "lengthen the turn bay"),
    "treatment.clear_lane": Words("清理占道（停车、施工）", "clear the lane (parking, works)"),
    "treatment.respond": Words("事件快速处置", "respond to incidents faster"),
    "treatment.mend_sensor": Words("维修检测器", "mend the sensor"),
    "treatment.turn_ban": Words("高峰禁左（或禁某一转向）", "ban a turn at peak times"),
    "cause.SPLIT_IMBALANCE": Words("绿信比失衡", "Unbalanced greens"),
    "cause.OFFSET": Words("相位差不协调", "Offsets do not match"),
    "cause.CYCLE": Words("周期不合适", "Unsuitable cycle"),
    "cause.DEMAND_ABOVE_CAPACITY": Words("需求超过通行能力", "Demand above capacity"),
    "cause.SPILLBACK_FROM_ELSEWHERE": Words("受下游溢流影响", "Spillback from elsewhere"),
    "cause.TURN_BAY_OR_LANE_USE": Words("转向展宽段或车道功能不当", "Turn bay or lane use"),
    "cause.CAPACITY_LOSS": Words("通行能力受损（车道被占）", "Capacity lost (lane blocked)"),
    "cause.INCIDENT": Words("事件（一时占道）", "Incident"),
    "cause.PLAN_OUT_OF_DATE": Words("配时方案过时", "Plan out of date"),
    "cause.BROKEN_SENSOR": Words("检测器故障", "Broken sensor"),
    "cause.UNKNOWN": Words("原因未明", "Cause unknown"),
    "hover.junction": Words(
        "{name}<br>饱和度 {saturation} · 失衡 {imbalance}<br>延误 {delay} 车·时",
        "{name}<br>saturation {saturation} · imbalance {imbalance}<br>delay {delay} veh·h",
    ),
    "hover.bottleneck": Words(
        "<b>#{rank} {place}</b><br>{time} · {cause}<br>延误 {delay} 车·时，可节省 {savable}"
        "<br>{evidence}",
        "<b>#{rank} {place}</b><br>{time} · {cause}<br>delay {delay} veh·h, savable {savable}"
        "<br>{evidence}",
    ),
    "hover.again": Words("{hover}<br>同一路段：{ranks}", "{hover}<br>same link: {ranks}"),
    # buttons of a figure, as Plotly names them
    "plotly.Zoom in": Words("放大", "Zoom in"),
    "plotly.Zoom out": Words("缩小", "Zoom out"),
    "plotly.Reset axes": Words("复位", "Reset"),
    "plotly.Zoom": Words("框选放大", "Zoom by a box"),
    "plotly.Pan": Words("平移", "Pan"),
    "plotly.Download plot as a PNG": Words("存为图片", "Save as a picture"),
    # corridors
    "corridor.title": Words("干线时距图", "Time–space diagrams of the corridors"),
    "corridor.lead": Words(
        "纵轴为沿线距离，横轴为时间。每个路口两条灯色带：下方为去程，上方为回程；深红为红灯，"
        "浅绿为绿灯。半透明带为绿波带：车辆按所示速度行驶不遇红灯的时间窗。相距很近的路口在图上略有拉开。",
        "Distance along the corridor upwards, time to the right. Two strips per junction: the "
        "lower for the way out, the upper for the way back; dark red is red, pale green is green. "
        "Translucent bands are green waves: the seconds in which a vehicle at the drawn speed "
        "meets no red. Junctions very close to each other are drawn a little apart.",
    ),
    "corridor.name": Words("干线 {name}", "Corridor {name}"),
    "corridor.facts": Words(
        "{junctions} 个路口 · 长 {length} · 去程 {out} 辆/时 · 回程 {back} 辆/时",
        "{junctions} junctions · {length} long · {out} veh/h out · {back} veh/h back",
    ),
    "corridor.travel_saved": Words(
        "绿波带按方案保存的路段行程时间绘制。",
        "Bands are drawn with the travel times saved with the plans.",
    ),
    "corridor.travel_free": Words(
        "本干线没有随方案保存的行程时间，绿波带按自由流车速绘制。",
        "No travel times were saved for this corridor; bands are drawn at free-flow speed.",
    ),
    "corridor.in_service": Words("现行方案", "In service"),
    "corridor.proposed": Words("建议方案", "Proposed"),
    "corridor.unchanged": Words(
        "本干线没有建议的方案变更。", "No change is proposed on this corridor."
    ),
    "corridor.saved_bands": Words(
        "优化给出的带宽：去程 {out} 秒，回程 {back} 秒，周期 {cycle} 秒。",
        "Bandwidth as optimised: {out} s out, {back} s back, cycle {cycle} s.",
    ),
    "corridor.panel": Words(
        "{which} · 去程 {out} · 回程 {back}", "{which} · out {out} · back {back}"
    ),
    "corridor.band": Words("{seconds} 秒", "{seconds} s"),
    "corridor.broken": Words("无全程绿波", "no through band"),
    "corridor.one_way": Words("无连续路径", "no continuous way"),
    "corridor.cycles": Words("各路口周期不同", "cycles differ"),
    "corridor.time": Words("时间（秒）", "Time (s)"),
    "corridor.red": Words("红灯", "Red"),
    "corridor.green": Words("绿灯", "Green"),
    "corridor.band_out": Words("去程绿波带 ↗", "Band out ↗"),
    "corridor.band_back": Words("回程绿波带 ↘", "Band back ↘"),
    "corridor.seen_out": Words("实测去程", "Observed out"),
    "corridor.seen_back": Words("实测回程", "Observed back"),
    "corridor.seen": Words(
        "细线：卡口实测车辆轨迹，{begin}–{end} 共 {vehicles} 辆，按现行周期叠放其中 {shown} 辆；"
        "点击图例可隐藏。",
        "Thin lines: vehicles seen by cameras, {shown} of {vehicles} between {begin} and {end}, "
        "laid over one cycle of the plans that ran; a click in the legend hides them.",
    ),
    "corridor.no_seen": Words(
        "沿线卡口没有可叠加的实测轨迹。",
        "No cameras along it saw vehicles pass: nothing is laid over.",
    ),
    "corridor.seen_cycles": Words(
        "沿线周期没有一小时内的公倍数，实测轨迹无法叠放。",
        "Its cycles have no common multiple within an hour: what was seen cannot be laid over.",
    ),
    "corridor.out": Words("去程", "out"),
    "corridor.back": Words("回程", "back"),
    "corridor.no_plan": Words("没有可读的固定方案", "no fixed plan could be read"),
    "corridor.none": Words(
        "没有找到值得协调的干线，因此没有时距图。",
        "No corridor worth coordinating was found, so there is no diagram.",
    ),
    "hover.red": Words(
        "{name}<br>{direction}红灯 {start}–{end} 秒", "{name}<br>red {direction} {start}–{end} s"
    ),
    # plans
    "zone.zone": Words("网格", "Zone"),
    "zone.all": Words("网格一览", "All zones"),
    "zone.title": Words("网格 {name}", "Zone {name}"),
    "zone.night": Words("全市报告", "The whole city"),
    "zone.none": Words("本城市没有登记网格。", "This city lists no zone."),
    "zone.junctions": Words("信号路口", "Signal junctions"),
    "zone.links": Words("{links} 条路段，{km} 公里", "{links} links, {km} km"),
    "zone.km": Words("路段（公里）", "Links (km)"),
    "zone.savable": Words("其中可节省 {savable}", "of it savable: {savable}"),
    "zone.congested": Words("拥堵时间占比", "Share of congested times"),
    "zone.map": Words("路段与堵点", "Links and bottlenecks"),
    "zone.map_key": Words("拥堵时间占比：", "Share of congested times:"),
    "zone.rank": Words("全市名次", "Rank in the city"),
    "zone.place": Words("路段", "Link"),
    "zone.time": Words("时间", "Time"),
    "zone.cause": Words("堵因", "Cause"),
    "zone.saturation": Words("饱和度", "Saturation"),
    "zone.imbalance": Words("失衡", "Imbalance"),
    "zone.changes": Words("拟调整", "To change"),
    "zone.yes": Words("是", "yes"),
    "zone.worst_links": Words("最拥堵的路段", "Most congested links"),
    "zone.link": Words("路段", "Link"),
    "zone.length": Words("长度（米）", "Length (m)"),
    "zone.mean_speed": Words("平均车速（公里/时）", "Mean speed (km/h)"),
    "zone.least_speed": Words("最低车速（公里/时）", "Least speed (km/h)"),
    "zone.more_links": Words(
        "列出 {shown} / {all} 条，其余见 Excel。", "{shown} of {all}; the workbook has all."
    ),
    "zone.no_bottlenecks": Words("网格内没有堵点。", "There is no bottleneck in this zone."),
    "zone.no_plans": Words("没有拟调整的方案。", "No plan changes in this zone."),
    "zone.no_junctions": Words("网格内没有信号路口。", "There is no signal in this zone."),
    "zone.no_links": Words("网格内没有路段。", "There is no link in this zone."),
    "plans.title": Words("拟调整的配时方案", "Proposed plans"),
    "plans.lead": Words(
        "按可节省延误从大到小排列；点击表头排序。色条为一个周期内各阶段的绿灯（深）与黄灯、"
        "全红（浅），上为现行，下为建议。",
        "Those that can save most come first; click a heading to sort. Each bar is one cycle: "
        "greens dark, yellow and all-red light; above in service, below proposed.",
    ),
    "plans.not_deployed": Words(
        "评判结果为“{decision}”：下表仅供参考，不会下发。",
        "The verdict is “{decision}”: this table is for information, nothing is sent out.",
    ),
    "plans.filter": Words("按路口名称或编号筛选", "Filter by junction name or id"),
    "plans.junction": Words("路口", "Junction"),
    "plans.cycle": Words("周期（秒）", "Cycle (s)"),
    "plans.offset": Words("相位差（秒）", "Offset (s)"),
    "plans.stages": Words("各阶段绿灯（秒）：现行 → 建议", "Greens by stage (s): old → new"),
    "plans.savable": Words("可节省（车·时）", "Savable (veh·h)"),
    "plans.delay": Words("现延误（车·时）", "Delay now (veh·h)"),
    "plans.largest": Words("最大调整（秒）", "Largest change (s)"),
    "plans.stage": Words("阶段 {number}", "Stage {number}"),
    "plans.structure": Words("阶段数目或灯色改变", "stages themselves differ"),
    "plans.gone": Words("取消阶段", "stage gone"),
    "plans.come": Words("新增阶段", "new stage"),
    "plans.arrows": Words(
        "箭头为放行的转向（← 左转，↑ 直行，→ 右转，↶ 掉头）；括号内的转向须让行。",
        "Arrows are the turns let go (← left, ↑ ahead, → right, ↶ U-turn); those in brackets "
        "give way.",
    ),
    "plans.none": Words(
        "本夜没有提出方案变更，所有路口维持现行方案。",
        "No plan change is proposed this night; all junctions keep their plans.",
    ),
    "plans.none_better": Words(
        "优化提出了 {count} 组候选方案，评判没有选中任何一组；所有路口维持现行方案。",
        "{count} sets of plans were drawn up and the check chose none of them; "
        "all junctions keep their plans.",
    ),
    "plans.shown": Words("显示 {shown} / {all}", "{shown} of {all} shown"),
    "candidate.predicted": Words(
        "优化预测 {delay} 秒/车", "predicted by the optimiser: {delay} s per vehicle"
    ),
    "candidate.gap": Words("与下界差距 {gap}", "gap to the bound {gap}"),
    "refinement.found": Words(
        "在重建城市中联合优化：现行 {old} 秒/车，最好方案 {new} 秒/车（部分仿真日车辆多于观测）",
        "Refined together in the rebuilt city: in service {old} s per vehicle, best found {new} s "
        "(some of the days driven bring more vehicles than were observed)",
    ),
    "refinement.skipped": Words("未采用联合优化：{why}", "Not refined together: {why}"),
    "candidate.status": Words("求解状态 {status}", "solver status {status}"),
    # verdict
    "verdict.title": Words("评判与证据", "Verdict and evidence"),
    "verdict.reason": Words("判定依据", "Reason"),
    "verdict.pairs": Words("配对仿真：同一随机种子", "Paired runs: same seed"),
    "verdict.changes": Words("每对变化与 95 % 区间", "Change per pair and 95 % interval"),
    "verdict.in_service": Words("现行", "In service"),
    "verdict.proposed": Words("建议", "Proposed"),
    "verdict.delay_axis": Words("车均延误（秒/车）", "Delay (s per vehicle)"),
    "verdict.change_axis": Words(
        "延误变化（%），负值为改善", "Change of delay (%), below zero is better"
    ),
    "verdict.mean": Words("均值", "Mean"),
    "verdict.median": Words("中位数", "Median"),
    "verdict.seed": Words("种子 {seed}", "Seed {seed}"),
    "verdict.each_seed": Words("每个种子", "Each seed"),
    "verdict.no_pairs": Words("没有配对仿真可显示。", "There are no paired runs to show."),
    "verdict.check": Words("评判：由数据重建的城市", "The check: the city rebuilt from the feeds"),
    "verdict.world": Words("城市实况：未参与优化的日子", "In the world: seeds not used before"),
    "verdict.no_world": Words(
        "本夜没有城市实况的结果：方案下发之后，由次日数据评价效果。",
        "There is no result from the world this night: once plans are deployed, the following "
        "days' feeds tell their effect.",
    ),
    "verdict.world_kept": Words(
        "方案维持不变：现行方案下城市实况的车均延误为 {delay} 秒（{seeds} 个种子的均值）。",
        "The plans were kept: under them, delay in the world is {delay} s per vehicle "
        "(mean of {seeds} seeds).",
    ),
    "world.median": Words("延误中位数（秒/车）", "Median delay (s per vehicle)"),
    "world.vehicles": Words("计入车辆（合计）", "Vehicles counted, in all"),
    "world.not_inserted": Words("始终未能进入（合计）", "Never got in, in all"),
    "world.teleports": Words("瞬移（合计）", "Teleports, in all"),
    "verdict.calibration": Words("仿真标定", "Calibration of the simulation"),
    "verdict.no_calibration": Words("没有保存标定结果。", "No calibration results were saved."),
    "verdict.runs": Words("全部仿真（{count} 次）", "All simulation runs ({count})"),
    "runs.candidate_id": Words("方案", "Candidate"),
    "runs.phase": Words("阶段", "Phase"),
    "runs.seed": Words("种子", "Seed"),
    "runs.vehicles": Words("车辆数", "Vehicles"),
    "runs.delay_s_per_veh": Words("延误（秒/车）", "Delay (s per vehicle)"),
    "runs.stops": Words("停车次数", "Stops"),
    "runs.teleports": Words("瞬移车辆", "Teleports"),
    "runs.not_inserted": Words("未能进入", "Not inserted"),
    "phase.screen": Words("初筛", "screening"),
    "phase.confirm": Words("确认", "confirmation"),
    # safety
    # calibration and limits
    "fact.observed_delay_s_per_veh": Words("观测延误（秒/车）", "Observed delay (s per vehicle)"),
    "fact.observed_wait_veh_h": Words(
        "推算的路网外等候（车·时）", "Inferred wait before the map (veh·h)"
    ),
    "fact.simulated_wait_veh_h": Words(
        "仿真的路网外等候（车·时）", "Simulated wait before the map (veh·h)"
    ),
    "fact.simulated_delay_s_per_veh": Words(
        "仿真延误，现行方案（秒/车）", "Simulated delay, plans in service (s per vehicle)"
    ),
    "fact.delays_s_per_veh": Words(
        "各抽样日的仿真延误（秒/车）", "Simulated delay of each drawn day (s per vehicle)"
    ),
    "fact.vehicles_rebuilt": Words("重建的车辆数", "Vehicles rebuilt"),
    "fact.vehicles_simulated": Words("仿真的车辆数（中位数）", "Vehicles simulated (median)"),
    "fact.links_compared": Words("比较的路段数", "Links compared"),
    "fact.movements_counted": Words("有计数的流向数", "Movements counted"),
    "fact.good_geh_ratio": Words("流量 GEH < 5 的比例", "Share of flows with GEH < 5"),
    "fact.worst_geh": Words("最大 GEH", "Worst GEH"),
    "fact.near_time_ratio": Words(
        "行程时间相差 15 % 以内的路段比例", "Share of links with travel time within 15 %"
    ),
    "fact.time_ratio": Words("仿真与观测行程时间之比", "Simulated over observed time on links"),
    "fact.runs": Words("仿真次数", "Runs"),
    "fact.problems": Words("未满足的要求", "Not met"),
    "fact.min_gap_m": Words("驾驶员：静止车距（米）", "Drivers: gap when standing (m)"),
    "fact.length_m": Words("小客车车长（米）", "Length of a car (m)"),
    "fact.sigma": Words("驾驶员：驾驶不均匀度", "Drivers: how unevenly they drive (sigma)"),
    "fact.lifted_veh": Words("相撞后被移走的车辆数", "Cars lifted out of the way after colliding"),
    "fact.least_good_geh_ratio": Words(
        "要求：GEH < 5 的比例不低于", "Asked: least share of GEH < 5"
    ),
    "fact.slow_time_ratio": Words(
        "高于此行程时间之比：试用跟车更近的驾驶员",
        "Above this ratio of times: closer drivers tried",
    ),
    "fact.locked_days_ratio": Words(
        "抽样日锁死的比例达到此值：试用跟车更近的驾驶员",
        "At this share of drawn days that lock: closer drivers tried",
    ),
    "fact.most_time_ratio": Words("要求：行程时间之比不高于", "Asked: most of that ratio of times"),
    "fact.vehicles_ratio": Words("要求：车辆数相差不超过", "Asked: vehicles differ by at most"),
    "fact.yellow_min_s": Words("最短黄灯（秒）", "Shortest yellow (s)"),
    "fact.yellow_max_s": Words("最长黄灯（秒）", "Longest yellow (s)"),
    "fact.green_min_s": Words("最短绿灯（秒）", "Shortest green (s)"),
    "fact.red_max_s": Words("最长红灯（秒）", "Longest red (s)"),
    "fact.walk_s": Words("行人起步绿灯（秒）", "Walk interval (s)"),
    "fact.walking_speed_mps": Words("步行速度（米/秒）", "Walking speed (m/s)"),
    "fact.reaction_s": Words("反应时间（秒）", "Reaction time (s)"),
    "fact.deceleration_mps2": Words("减速度（米/秒²）", "Deceleration (m/s²)"),
    "fact.vehicle_length_m": Words("车长（米）", "Vehicle length (m)"),
    "safety.title": Words("安全证书", "Safety certificate"),
    "safety.lead": Words(
        "每个方案在下发前逐条核对安全规则；证书可由独立程序重新验证。",
        "Every plan is held against every safety rule before it is handed over; a stand-alone "
        "verifier can prove the certificate again.",
    ),
    "safety.none": Words(
        "没有方案下发，因此没有证书。", "No plan is handed over, so there is nothing to certify."
    ),
    "safety.passed": Words(
        "{plans} 个方案全部通过，没有违反任何规则。",
        "All {plans} plans are certified; none breaks a rule.",
    ),
    "safety.none_new": Words(
        "{plans} 个方案没有新增违规；沿用现行方案已有的违规见下表“沿用”一列。",
        "None of the {plans} plans breaks a rule anew; what the plans in service break already, "
        "some go on breaking: see “inherited” below.",
    ),
    "safety.limits": Words("采用的限值", "Limits applied"),
    "safety.inherited": Words("现行方案遗留的问题", "Inherited from the plans in service"),
    "safety.inherited.means": Words(
        "现行方案本已存在、新方案没有加重的问题；请设计人员复核。",
        "Already so in the plans in service and made no worse; for an engineer to review.",
    ),
    "safety.rule": Words("规则", "Rule"),
    "safety.detail": Words("说明", "Detail"),
    # rules of model/rules.py
    "rule.whole_seconds": Words("时长为正整数秒", "whole seconds, at least 1 s"),
    "rule.lamp_letters": Words("灯色符号有效", "known lamp letters"),
    "rule.picture_length": Words("每个信号组都有灯色", "a lamp for every signal group"),
    "rule.right_junction": Words("方案属于本路口", "made for this junction"),
    "rule.offset_range": Words("相位差在 [0, 周期) 内", "offset in [0, cycle)"),
    "rule.coordinated_stage": Words("协调阶段存在", "coordinated stage exists"),
    "rule.cycle_sum": Words("各阶段之和等于周期", "splits sum to the cycle"),
    "rule.stage_unique": Words("阶段不重复", "no stage twice"),
    "rule.conflicting_greens": Words("冲突流向不同时放行", "no conflicting greens"),
    "rule.conflict_in_transition": Words(
        "过渡期间不与冲突流向重叠", "no conflict during a transition"
    ),
    "rule.yellow": Words("黄灯 3–5 秒", "yellow of 3–5 s"),
    "rule.intergreen": Words("绿间隔足够", "intergreen long enough"),
    "rule.intergreen_kept": Words("绿间隔不短于现行", "intergreen no shorter than in service"),
    "rule.min_green": Words("不短于最小绿", "minimum green"),
    "rule.max_green": Words("不长于最大绿", "maximum green"),
    "rule.pedestrian_green": Words("行人过街时间足够", "pedestrian green"),
    "rule.max_red": Words("红灯不过长", "longest red"),
    "rule.movements_served": Words("每个流向都能放行", "every movement is served"),
    "rule.green_limits_kept": Words("绿灯上下限不放宽", "limits of green kept"),
    "rule.change_limits": Words("调整幅度在限值内", "change within the limits"),
    "outcome.pass": Words("通过", "pass"),
    "outcome.inherited": Words("遗留", "inherited"),
    # data
    "data.title": Words("数据质量", "Data quality"),
    "data.feed": Words("数据源", "Feed"),
    "data.read": Words("读取", "Read"),
    "data.used": Words("使用", "Used"),
    "data.refused": Words("隔离", "Quarantined"),
    "data.quarantine": Words("被隔离的数据", "Quarantined rows"),
    "data.health": Words("设备健康", "Device health"),
    "data.reason": Words("原因", "Reason"),
    "data.rows": Words("行数", "Rows"),
    "data.means": Words("含义", "What it means"),
    "data.device": Words("设备", "Device"),
    "data.devices": Words("设备（{count} 台）", "Devices ({count})"),
    "data.count": Words("数量", "Count"),
    "data.finding": Words("问题", "Finding"),
    "data.no_quarantine": Words("没有数据被隔离。", "No row was quarantined."),
    "data.no_health": Words("所有设备正常。", "All devices are well."),
    "data.more": Words("另有 {count} 台", "and {count} more"),
    "feed.police": Words("公安交管", "Police"),
    "feed.checkpoint": Words("卡口", "Checkpoint"),
    "feed.internet": Words("互联网路况", "Internet"),
    "feed.transit": Words("公交运管", "Transit"),
    "reason.unknown_link": Words(
        "登记的路段不在路网中，请更新设备登记表。",
        "Registered on a link that the road network does not have: update the register.",
    ),
    "reason.unknown_site": Words(
        "卡口编号不在登记表中。", "The checkpoint site is not in the register."
    ),
    "reason.unknown_detector": Words(
        "检测器编号不在登记表中。", "The detector is not in the register."
    ),
    "reason.unknown_junction": Words(
        "路口编号不在路网中。", "The road network has no such junction."
    ),
    "reason.unknown_provider_link": Words(
        "服务商路段没有与路网匹配。", "The provider's link is not matched to the road network."
    ),
    "reason.no_time": Words("缺少时间。", "The row carries no time."),
    "reason.outside_day": Words(
        "时间不在本运行日内（迟到或时钟错误）。",
        "The time lies outside the service day (late, or a wrong clock).",
    ),
    "reason.unreadable_plate": Words(
        "号牌无法识别。系统不保存任何号牌。",
        "The plate could not be read. Plates are never kept.",
    ),
    "reason.duplicate": Words("重复上报，只保留一条。", "Reported more than once; one was kept."),
    "reason.bad_value": Words(
        "数值不可能（负数、空值或无样本）。",
        "An impossible value (negative, empty or without samples).",
    ),
    "reason.speed_above_150_kmh": Words(
        "车速超过 150 公里/时，不可信。", "A speed above 150 km/h, which is not believed."
    ),
    "reason.damaged_row": Words(
        "行已损坏：列数不对或引号不完整。",
        "A damaged row: too few or too many cells, or torn quotes.",
    ),
    "reason.damaged_text": Words(
        "文字编码既不是 UTF-8 也不是 GB18030。", "Text that is neither UTF-8 nor GB18030."
    ),
    "reason.unknown_code": Words(
        "代码不在列映射表中。", "A code that the column map does not list."
    ),
    "reason.no_time_zone": Words(
        "时间没有时区，列映射表也未说明。",
        "A time without a zone, and no column map that tells it.",
    ),
    "reason.plate_in_column": Words(
        "不该有号牌的列中出现疑似号牌，未作保存。",
        "Something like a plate where none belongs; it was not kept.",
    ),
    "reason.device_fault": Words("设备自报故障。", "The device itself reports a fault."),
    "reason.unwell_device": Words(
        "设备体检不合格，数据不采用。", "From a device that is not well: left out."
    ),
    "health.dead": Words("检测器整日无数据", "Detector silent all day"),
    "health.no_data": Words("该数据源缺数据", "No data from the feed"),
    "health.stuck": Words("读数卡死", "Stuck at one reading"),
    "health.low_hits": Words("过车数明显偏少", "Far too few passes"),
    "health.silent": Words("部分时段无数据", "Silent for part of the day"),
    "health.duplicate_stream": Words("与另一设备数据重复", "Repeats another device's data"),
    "health.swapped_lanes": Words("车道接反", "Lanes exchanged"),
    "health.clock_drift": Words("时钟偏差", "Clock is wrong"),
    "health.unit_changed": Words("速度单位改变", "Unit of speed has changed"),
    "health.hand_run": Words("人工控制时段", "Run by hand"),
    "health.far_from_link": Words("位置远离路段", "Far from any link"),
    "health.rows_lost": Words("部分数据丢失", "Rows were lost on the way"),
    "health.mostly_refused": Words(
        "大部分数据被隔离，原因见明细", "Most of its rows were refused, for the reasons told"
    ),
    "health.other_timing": Words("实际配时与在册方案不符", "Not the timing on file"),
    # definitions
    "definitions.title": Words("名词定义", "Definitions"),
    "definition.delay": Words("延误", "Delay"),
    "definition.delay.is": Words(
        "时间损失 + 出发延误，计入全部车辆；始终未能进入路网的车辆按全部等待时间计入。",
        "Time loss plus departure delay, over all vehicles; those that never got in are counted "
        "with their full wait.",
    ),
    "definition.change": Words("变化", "Change"),
    "definition.change.is": Words(
        "（建议 − 现行）÷ 现行，同一随机种子配对；负值为改善。",
        "(proposed − in service) ÷ in service, paired by seed; below zero is better.",
    ),
    "definition.interval": Words("95 % 区间", "95 % interval"),
    "definition.interval.is": Words(
        "双侧置信区间：评判取配对变化的中位数，城市实况取均值；评判的区间全部低于零才建议下发。",
        "Two-sided confidence interval: of the median paired change in the check, of the mean in "
        "the world; plans are deployed only when all of the check's lies below zero.",
    ),
    "definition.bottleneck": Words("堵点", "Bottleneck"),
    "definition.bottleneck.is": Words(
        "排队的头部：15 分钟内车均延误超过 55 秒（HCM E 级）；排在别的队列里的路段不另算堵点。",
        "The head of a queue, where vehicles lose 55 s and more each over a quarter of an hour "
        "(HCM's level E); a link inside somebody else's queue is not one.",
    ),
    "definition.savable": Words("可节省延误", "Savable delay"),
    "definition.savable.is": Words(
        "诊断估计调整配时可以减少的延误，是估计值，不是保证。"
        "小于周边延误的 5%，或当日有事件，记为 0。",
        "The delay that retiming could save, as diagnosis estimates it: no guarantee. 0 where it "
        "is less than 5 % of what is lost around, or an incident made the day an unusual one.",
    ),
    "definition.offset": Words("相位差", "Offset"),
    "definition.offset.is": Words(
        "协调阶段绿灯开始时刻与主时钟零点之差，范围为 [0, 周期)；数值越大开始越晚。",
        "Start of green of the coordinated stage minus the master clock's zero, in [0, cycle); a "
        "later start is a larger offset.",
    ),
    "definition.bandwidth": Words("绿波带宽", "Bandwidth"),
    "definition.bandwidth.is": Words(
        "每个周期内，车辆按设计车速行驶不遇红灯的秒数，分方向计。",
        "Seconds per cycle in which a vehicle at the design speed meets no red, per direction.",
    ),
    "definition.saturation": Words("饱和度", "Saturation ratio"),
    "definition.saturation.is": Words("需求 ÷ 通行能力。", "Demand ÷ capacity."),
    "definition.imbalance": Words("失衡", "Imbalance"),
    "definition.imbalance.is": Words(
        "1 − 最不饱和阶段 ÷ 最饱和阶段；本系统自行定义。",
        "1 − least saturated stage ÷ most saturated stage; our own definition.",
    ),
}
