"""Every word of the console, in Chinese and English; those it shares stand in `report.texts`."""

from __future__ import annotations

from collections.abc import Mapping

from traffic_brain.report.texts import WORDS as SHARED
from traffic_brain.report.texts import Words, code_words


def say(key: str, language: str, **values: object) -> str:
    """The text of ``key`` in one language.

    Raises:
        KeyError: there is no such text.
    """
    found = WORDS[key] if key in WORDS else SHARED[key]
    return in_language(found.fill(**values) if values else found, language)


def code_say(group: str, code: str, language: str) -> str:
    """The plain words of a code; one that is new here is shown as it is."""
    found = WORDS.get(f"{group}.{code}") or code_words(group, code)
    return in_language(found, language)


def in_language(text: Words | str, language: str) -> str:
    """Words in one of their languages; other text as it is."""
    return str(getattr(text, language)) if isinstance(text, Words) else text


WORDS: Mapping[str, Words] = {
    "title": Words("交通大脑 · 配时工作台", "Traffic brain · planner's console"),
    "skip": Words("跳到正文", "Skip to the content"),
    # who is here
    "login.title": Words("登录", "Log in"),
    "login.name": Words("账号", "Account"),
    "login.password": Words("密码", "Password"),
    "login.go": Words("登录", "Log in"),
    "login.wrong": Words("账号或密码不正确。", "Account or password is wrong."),
    "login.wait": Words(
        "尝试次数过多，请 {seconds} 秒后再试。", "Too many attempts: wait {seconds} s."
    ),
    "login.out": Words("退出", "Log out"),
    "role.view": Words("查看", "may view"),
    "role.plan": Words("编制", "may plan"),
    "role.approve": Words("审批", "may approve"),
    "language": Words("English", "中文"),
    # where one is
    "nav.morning": Words("晨报", "Morning"),
    "nav.map": Words("一张图", "Map"),
    "nav.corridors": Words("干线", "Corridors"),
    "nav.plans": Words("方案", "Plans"),
    "nav.runs": Words("优化任务", "Runs"),
    "nav.emergency": Words("应急通道", "Emergency"),
    "nav.zones": Words("网格", "Zones"),
    "nav.effect": Words("前后对比", "Before / after"),
    "nav.board": Words("治理闭环", "Loop board"),
    "nav.log": Words("日志", "Log"),
    "nav.api": Words("接口", "Interface"),
    "nav.night": Words("夜间任务", "Night"),
    "search.label": Words("搜索：名称、编号或拼音", "Search: name, id or pinyin"),
    "search.none": Words("没有找到", "nothing found"),
    "kind.junction": Words("路口", "junction"),
    "kind.corridor": Words("干线", "corridor"),
    "kind.bottleneck": Words("堵点", "bottleneck"),
    "kind.link": Words("道路", "road"),
    # errors and empty states
    "error.title": Words("无法显示", "This cannot be shown"),
    "error.back": Words("返回晨报", "Back to the morning page"),
    "empty.nights": Words(
        "这里还没有夜间任务的结果。运行 traffic-brain nightly，然后刷新本页。",
        "There is no night here yet. Run traffic-brain nightly and load this page again.",
    ),
    "empty.incomplete": Words(
        "本夜尚未完成，只能显示各阶段状态。",
        "This night has not ended: only its stages can be shown.",
    ),
    # morning
    "morning.title": Words("晨报 · {day}", "Morning · {day}"),
    "morning.compared": Words(
        "与此前四周内 {count} 个夜间结果的中位数比较。",
        "Compared with the median of {count} nights in the four weeks before.",
    ),
    "morning.alone": Words(
        "此前四周没有其他夜间结果，因此没有可比较的中位数，也无法判断哪些堵点是新增的。",
        "There is no other night in the four weeks before: no median to compare with, and nothing "
        "can be called new.",
    ),
    "morning.usual": Words("四周中位数 {value}", "four-week median {value}"),
    "morning.no_usual": Words("无可比数据", "nothing to compare with"),
    "figure.delay": Words("堵点延误（车·时）", "Delay at bottlenecks (veh·h)"),
    "figure.savable": Words("可节省（车·时）", "Savable (veh·h)"),
    "figure.bottlenecks": Words("堵点数", "Bottlenecks"),
    "figure.congested": Words("拥堵路段占比", "Share of congested links"),
    "figure.rows": Words("读取数据行", "Rows read"),
    "morning.new": Words("新增堵点", "New bottlenecks"),
    "morning.no_new": Words("没有新增堵点。", "No new bottleneck."),
    "morning.worst": Words("最严重的堵点", "Worst bottlenecks"),
    "morning.all": Words("在一张图上查看全部 {count} 个", "See all {count} on the map"),
    "morning.feeds": Words("数据源", "Feeds"),
    "morning.feed": Words("数据源", "Feed"),
    "morning.rows": Words("行数", "Rows"),
    "morning.refused": Words("隔离", "Quarantined"),
    "morning.devices": Words("无有效数据的设备", "Devices without useful data"),
    "morning.state": Words("状态", "State"),
    "morning.fresh": Words("正常", "well"),
    "morning.stale": Words("中断或明显偏少", "missing or far too little"),
    "morning.night": Words("夜间任务状态", "How the night went"),
    "morning.stage": Words("阶段", "Stage"),
    "morning.seconds": Words("用时（秒）", "Seconds"),
    "morning.no_diary": Words("没有找到本夜的运行日志。", "This night has left no diary."),
    "morning.proposal": Words("本夜建议", "Proposed this night"),
    "morning.workbook": Words("下载 Excel 报表", "Download as Excel"),
    "morning.look": Words("查看方案与评判", "See plans and verdict"),
    "stage.finished": Words("完成", "finished"),
    "stage.unchanged": Words("无变化", "unchanged"),
    "stage.failed": Words("失败", "failed"),
    "stage.started": Words("未结束", "not ended"),
    "stage.record": Words("录制", "record"),
    "stage.import": Words("路网导入", "import"),
    "stage.fuse": Words("数据融合", "fuse"),
    "stage.diagnose": Words("诊断", "diagnose"),
    "stage.optimize": Words("优化", "optimise"),
    "stage.check": Words("仿真评判", "check"),
    "stage.package": Words("打包", "package"),
    "stage.evaluate": Words("效果评估", "evaluate"),
    "stage.report": Words("报告", "report"),
    # map
    "map.list": Words("堵点排名", "Ranked bottlenecks"),
    "map.filter": Words("按名称、堵因或网格筛选", "Filter by name, cause or zone"),
    "map.cause": Words("全部堵因", "All causes"),
    "map.zone": Words("全部网格", "All zones"),
    "map.shown": Words("显示 {shown} / {all}", "{shown} of {all} shown"),
    "map.open": Words("详情", "Details"),
    "map.canvas": Words(
        "路段状态图，键盘用户请用右侧列表", "Map of link states; with a keyboard, use the list"
    ),
    "map.hint": Words(
        "滚轮缩放，拖动平移，点击路口打开", "Wheel zooms, drag moves, click a junction"
    ),
    "map.zones": Words("显示网格", "Zones"),
    # bottleneck
    "bottleneck.title": Words("堵点 #{rank} · {place}", "Bottleneck #{rank} · {place}"),
    "bottleneck.why": Words("堵因与证据", "Cause and evidence"),
    "bottleneck.shares": Words("反事实分解", "What would save it"),
    "bottleneck.savable": Words("改配时可节省", "Saved by other timing"),
    "bottleneck.rest": Words("配时之外的原因", "Not a matter of timing"),
    "bottleneck.shares_note": Words(
        "诊断对“改配时”这一反事实的估计；本夜未对需求、事件、故障分别给出份额。",
        "The diagnosis' estimate of one counterfactual, other timing; this night gives no separate "
        "shares for demand, incidents or faults.",
    ),
    "bottleneck.speed": Words("本路段车速（公里/时）", "Speed on this link (km/h)"),
    "bottleneck.time": Words("时间", "Time"),
    "bottleneck.head": Words("排队头部路口", "Junction at the head"),
    "bottleneck.extent": Words("排队长度", "Length of the queue"),
    "bottleneck.tail": Words("至 {link}", "back to {link}"),
    "bottleneck.queue": Words("排队内路段", "Links inside the queue"),
    "bottleneck.no_queue": Words("没有其他路段在此排队中。", "No other link is inside this queue."),
    "bottleneck.devices": Words("涉及的检测器与卡口", "Cameras and detectors involved"),
    "bottleneck.no_devices": Words(
        "本夜的路网没有登记这些路段上的设备。", "The network of this night lists no device here."
    ),
    "bottleneck.corridor": Words("打开所在干线", "Open its corridor"),
    "bottleneck.no_corridor": Words(
        "该路口不在任何协调干线上。", "This junction is on no coordinated corridor."
    ),
    "bottleneck.on_map": Words("在图上查看", "Show on the map"),
    "bottleneck.planned": Words("建议方案涉及该路口。", "The proposed plans change this junction."),
    "bottleneck.not_planned": Words(
        "建议方案不涉及该路口。", "The proposed plans leave this junction as it is."
    ),
    # corridors
    "corridors.title": Words("协调干线", "Corridors"),
    "corridors.flow": Words("流量（辆/时）去程 / 回程", "Flow (veh/h) out / back"),
    "corridors.junctions": Words("路口数", "Junctions"),
    "corridors.length": Words("长度", "Length"),
    "corridors.delay": Words("沿线堵点延误（车·时）", "Delay at its bottlenecks (veh·h)"),
    "corridor.title": Words("干线 {name}", "Corridor {name}"),
    "corridor.set": Words("显示的方案", "Plans shown"),
    "set.registered": Words("登记方案", "as registered"),
    "set.running": Words("实际运行", "as really run"),
    "set.proposed": Words("建议方案", "proposed"),
    "corridor.drag": Words(
        "左右拖动任一路口的灯色带即可改变相位差，也可在表中直接输入；绿波带、延误与规则立即更新。",
        "Drag a junction's lamps to the left or right to change its offset, or type it in the "
        "table: bands, delay and rules follow at once.",
    ),
    "corridor.reset": Words("恢复", "Reset"),
    "corridor.band_of": Words("绿波带宽", "Bandwidth"),
    "corridor.delay": Words("信号间模型延误", "Modelled delay between signals"),
    "corridor.delay_unit": Words("车·时/时", "veh·h/h"),
    "corridor.delay_none": Words("相邻信号周期不同，无法估计", "no estimate: cycles differ"),
    "corridor.rules": Words("安全规则", "Safety rules"),
    "corridor.rules_ok": Words("没有新增违规", "nothing new is broken"),
    "corridor.rules_bad": Words("新增违规 {count} 项", "{count} new violations"),
    "corridor.rules_old": Words(
        "现行方案遗留 {count} 项", "{count} inherited from the plans in service"
    ),
    "corridor.server": Words("服务器已核对", "confirmed by the server"),
    "corridor.asking": Words("核对中…", "asking the server…"),
    "corridor.differs": Words(
        "页面与服务器结果不一致，以服务器为准", "page and server differ; the server is right"
    ),
    "corridor.offset": Words("相位差（秒）", "Offset (s)"),
    "corridor.cycle": Words("周期（秒）", "Cycle (s)"),
    "corridor.observed": Words("实测轨迹", "Observed trajectories"),
    "corridor.hour": Words("时段", "Hour"),
    "corridor.seen_some": Words(
        "实测轨迹：本小时卡口看到 {vehicles} 辆车沿线行驶，叠放其中 {shown} 辆。"
        "两处卡口之间按直线绘制；车辆所遇为当日实际运行的灯色。",
        "Observed: {shown} of {vehicles} vehicles that cameras saw along it in this hour. Straight "
        "between two cameras; they met the lamps that really ran.",
    ),
    "corridor.seen_other": Words(
        "实测轨迹是在 {cycle} 秒周期下记录的，与所示方案的周期不同：请选“实际运行”查看。",
        "Vehicles were seen under a cycle of {cycle} s, not that of the plans shown: choose “as "
        "really run”.",
    ),
    "corridor.check": Words("用仿真检验这些相位差", "Check these offsets by simulation"),
    "corridor.optimise": Words("优化本干线", "Optimise this corridor"),
    "corridor.viewer": Words("您的账号只能查看。", "Your account may only view."),
    "corridor.note_model": Words(
        "延误取自优化器自己的相位差模型，仅供比较；以仿真评判为准。",
        "The delay is that of the optimiser's own offset model, for comparison; the check by "
        "simulation decides.",
    ),
    # junction
    "junction.title": Words("路口 {name}", "Junction {name}"),
    "junction.layout": Words("几何布局", "Layout"),
    "junction.stages": Words("阶段", "Stages"),
    "junction.picture": Words("灯色", "Lamps"),
    "junction.serves": Words("放行流向", "Serves"),
    "junction.green": Words("绿灯（秒）", "Green (s)"),
    "junction.clearance": Words("黄灯 + 全红（秒）", "Yellow + all-red (s)"),
    "junction.proposed": Words("建议绿灯（秒）", "Proposed green (s)"),
    "junction.no_plan": Words("没有可读的固定方案。", "No fixed plan could be read."),
    "junction.windows": Words("各时段绿信比", "Splits by time of day"),
    "junction.one_plan": Words(
        "没有登记时段表：同一方案全天运行。", "No schedule is registered: one plan runs all day."
    ),
    "junction.demand": Words("全天需求（辆/时）", "Demand over the day (veh/h)"),
    "junction.no_demand": Words("没有需求数据。", "No demand is known."),
    "junction.health": Words("检测器健康", "Detector health"),
    "devices.lane": Words("车道 {lane}", "lane {lane}"),
    "control.fixed": Words("定周期", "fixed time"),
    "control.actuated": Words("感应控制", "actuated"),
    "control.off": Words("未启用", "off"),
    "control.rail": Words("轨道道口", "rail crossing"),
    "junction.well": Words("正常", "well"),
    "junction.no_devices": Words("没有登记设备。", "No device is registered."),
    "junction.more": Words("另有 {count} 台设备", "and {count} more devices"),
    "junction.saturation": Words("饱和度", "Saturation ratio"),
    "junction.imbalance": Words("失衡", "Imbalance"),
    "junction.delay": Words("延误（车·时）", "Delay (veh·h)"),
    "junction.control": Words("控制方式", "Control"),
    "junction.problems": Words("待修正项", "To fix"),
    "junction.offset": Words("相位差（秒）", "Offset (s)"),
    # plans
    "plans.of": Words("方案来源", "Whose plans"),
    "plans.own": Words("夜间任务", "the night"),
    "plans.run": Words("任务 {run}", "run {run}"),
    "plans.winners": Words("获益与受损", "Who gains and who loses"),
    "plans.winners_note": Words(
        "按路口比较绿灯秒数变化；受损流向列在下方，仿真评判按全部车辆计。",
        "By seconds of green; movements that lose green are listed. The check counts all vehicles.",
    ),
    "plans.gain": Words("绿灯占比增加", "greater share of green"),
    "plans.loss": Words("绿灯占比减少", "smaller share of green"),
    "plans.movement": Words("流向", "Movement"),
    "plans.share": Words("绿灯占比：现行 → 建议", "Share of green: old → new"),
    "plans.demand": Words("需求（辆/时）", "Demand (veh/h)"),
    "plans.certificate": Words("安全证书", "Safety certificate"),
    "plans.decide": Words("审批", "Decide"),
    "plans.state": Words("当前状态", "State"),
    "plans.package": Words("方案包", "Package"),
    "plans.expires": Words("有效期至", "Expires"),
    "plans.day": Words("计为", "counted as"),
    "plans.note": Words(
        "说明（必填，将写入审计日志）", "Note (required; it stays in the audit log)"
    ),
    "plans.approve": Words("批准", "Approve"),
    "plans.reject": Words("驳回", "Reject"),
    "plans.change": Words("修改并重新评判", "Change and check again"),
    "plans.change_hint": Words(
        "改动相位差或勾选“维持现行”，本包即被修改后的新包取代，须重新仿真评判后才能批准。",
        "Change offsets, or keep junctions as they are: the package is replaced by a changed one, "
        "which must pass the check again before it can be approved.",
    ),
    "plans.keep": Words("维持现行", "Keep as it is"),
    "plans.new_offset": Words("新相位差", "New offset"),
    "plans.export": Words("导出", "Export"),
    "plans.export_hint": Words(
        "每种格式导出后立即回读核对；压缩包内附损失报告。",
        "Each format is read back at once; the archive holds its loss report.",
    ),
    "format.ga1049": Words("GA/T 1049.2 消息（XML）", "GA/T 1049.2 messages (XML)"),
    "format.gbt20999": Words(
        "GB/T 20999 表（CSV，未经验证）", "GB/T 20999 tables (CSV, unverified)"
    ),
    "format.ntcip1202": Words("NTCIP 1202 表（CSV）", "NTCIP 1202 tables (CSV)"),
    "format.utdf": Words("UTDF（Synchro，CSV）", "UTDF for Synchro (CSV)"),
    "format.gmns": Words("GMNS 表（CSV）", "GMNS tables (CSV)"),
    "format.sumo": Words("SUMO 附加文件（XML）", "SUMO additional file (XML)"),
    "format.xlsx": Words("配时单（Excel，中英文）", "Timing sheets (Excel, 中文 and English)"),
    "format.json": Words("方案文档（JSON）", "The plans document (JSON)"),
    "plans.nothing": Words("没有方案可导出或批准。", "There is no plan to export or approve."),
    "plans.cannot": Words("不能批准：", "It cannot be approved: "),
    "plans.not_better": Words("评判没有证明更好。", "the check has not shown it better."),
    "plans.expired": Words("方案包已过期。", "the package has expired."),
    "plans.decided": Words("已有人作出决定。", "somebody has decided already."),
    "plans.needs_approve": Words("需要审批权限。", "your account has no role to approve."),
    "state.proposed": Words("待审批", "proposed"),
    "state.approved": Words("已批准", "approved"),
    "state.rejected": Words("已驳回", "rejected"),
    "state.modified": Words("已修改", "modified"),
    "state.expired": Words("已过期", "expired"),
    "state.rolled back": Words("已回退", "rolled back"),
    "act.done": Words("已记录，日志头 {head}", "Recorded; log head {head}"),
    "act.failed": Words("未完成：", "Not done: "),
    # runs
    "runs.title": Words("优化任务", "Runs"),
    "runs.new": Words("新任务", "New run"),
    "runs.corridor": Words("干线", "Corridor"),
    "runs.pairs": Words("仿真配对数", "Pairs of simulations"),
    "runs.candidates": Words("候选方案数", "Sets of plans"),
    "runs.seed": Words("随机种子", "Seed"),
    "runs.start": Words("开始优化", "Start"),
    "runs.cancel": Words("取消", "Cancel"),
    "runs.none": Words("还没有任务。", "There is no run yet."),
    "runs.result": Words("查看评判", "See the verdict"),
    "runs.what": Words("内容", "What"),
    "runs.who": Words("发起人", "Started by"),
    "runs.progress": Words("进度", "Progress"),
    "runs.status": Words("状态", "Status"),
    "runs.hint": Words(
        "优化一条干线，其余路口维持现行方案；随后用仿真与现行方案配对比较。同一时间只运行一个任务。",
        "Optimises one corridor while all other junctions keep their plans, then compares with the "
        "plans in service by paired simulation. One run works at a time.",
    ),
    "run.optimise": Words("优化干线", "optimise"),
    "run.check": Words("检验手动方案", "check by hand"),
    "run.running": Words("运行中", "running"),
    "run.done": Words("完成", "done"),
    "run.failed": Words("失败", "failed"),
    "run.cancelled": Words("已取消", "cancelled"),
    "run.interrupted": Words("中断", "interrupted"),
    # emergency corridor
    "emergency.title": Words("应急通道", "Emergency corridor"),
    "emergency.lead": Words(
        "选择路线、车速和出发时刻：得到沿线各路口需要提前、延长的阶段，对其他车辆的代价，"
        "以及恢复协调所需的周期数。只提出建议，不下发任何控制。",
        "Choose a route, a speed and a departure: which stages are called or held at each "
        "junction, what that costs others, and how many cycles until all is as before. It only "
        "proposes.",
    ),
    "emergency.only": Words(
        "仅为建议：本系统不切换任何信号灯。由有权限的指挥人员在信号机上执行。",
        "A proposal only: nothing is switched from here. Whoever commands the signals acts on it.",
    ),
    "emergency.new": Words("新的路线", "New route"),
    "emergency.before": Words("本夜已计算的应急通道", "Worked out before"),
    "emergency.none": Words("还没有计算过应急通道。", "No emergency corridor has been worked out."),
    "emergency.way": Words("路线", "Route"),
    "emergency.links": Words("自选起讫路段…", "from a link to a link …"),
    "emergency.from": Words("起点路段", "First link"),
    "emergency.to": Words("终点路段", "Last link"),
    "emergency.depart": Words("出发时刻", "Departure"),
    "emergency.speed": Words("车速（公里/时）", "Speed (km/h)"),
    "emergency.go": Words("计算", "Work out"),
    "emergency.json": Words("下载 JSON", "Download as JSON"),
    "emergency.route": Words("起讫", "Route"),
    "emergency.drive": Words("行程时间（秒）", "Drive (s)"),
    "emergency.unaided": Words(
        "按现行方案、遇红灯停车：{seconds} 秒", "{seconds} s with the plans as they run"
    ),
    "emergency.when": Words("出发", "Departure"),
    "emergency.arrives": Words("到达 {time}", "arrives {time}"),
    "emergency.lost": Words("他人多等（车·时）", "Others lose (veh·h)"),
    "emergency.gained": Words("受益车辆少等 {gained} 车·时", "those who gain: {gained} veh·h"),
    "emergency.cycles": Words("恢复周期数", "Cycles to recover"),
    "emergency.cycles_note": Words(
        "相位差与排队均恢复", "until offsets and queues are as they would be"
    ),
    "emergency.never": Words(
        "有进口道需求超过通行能力，排队在 15 个周期内不能恢复。",
        "An approach is above capacity: queues differ for more than 15 cycles.",
    ),
    "emergency.picture": Words("车辆与绿灯", "The vehicle and its greens"),
    "emergency.vehicle": Words("应急车辆", "the vehicle"),
    "emergency.strips": Words(
        "每个路口两条：上为现行（淡），下为建议",
        "two strips at each junction: above as it runs (pale), below as proposed",
    ),
    "emergency.no_signals": Words("路线上没有信号路口。", "There is no signal on this route."),
    "emergency.holds": Words("各路口的动作", "What each junction does"),
    "emergency.arrival": Words("车到时刻", "Vehicle at"),
    "emergency.what": Words("动作", "Action"),
    "emergency.green": Words("需要的绿灯", "Green that serves it"),
    "emergency.changes": Words("绿灯变化（原→新）", "Greens changed (old→new)"),
    "emergency.stage": Words("阶段 {stages}", "stage {stages}"),
    "emergency.permitted": Words("许可绿灯：注意冲突车流", "permitted green: look out for others"),
    "emergency.status.AS_PLANNED": Words("现行方案已是绿灯", "green as it runs"),
    "emergency.status.HELD": Words("提前或延长绿灯", "called or held"),
    "emergency.status.QUEUE_MAY_STAND": Words(
        "绿灯，但前方排队可能未清空", "green, but the queue before it may still stand"
    ),
    "emergency.status.WAITS": Words("无法保证绿灯", "no green within the rules"),
    "emergency.status.NO_PLAN": Words("没有可读的固定方案", "no fixed plan is known"),
    "emergency.rules": Words(
        "阶段顺序和全部黄灯、全红、行人清空时间保持不变，只改变绿灯秒数；"
        "每一步都按与正式方案相同的安全规则核对。每周期最多改变五分之一，逐步恢复相位差。",
        "Stages keep their order and every yellow, all-red and pedestrian clearance; only greens "
        "change, and each step is judged by the same safety rules as every plan. Offsets come back "
        "by a fifth of the cycle at most in each cycle.",
    ),
    "emergency.model": Words(
        "代价由逐秒排队模型估计（均匀到达），不含行人等待和排队溢出。",
        "The cost is that of queues second by second with even arrivals; people on foot and "
        "queues that spill over are not in it.",
    ),
    # effect
    "effect.title": Words("前后对比", "Before and after"),
    "effect.world": Words("仿真城市中的实测", "Measured in the simulated city"),
    "effect.hours": Words("按小时：干线行程时间", "By hour: travel time on corridors"),
    "effect.hour": Words("小时", "Hour"),
    "effect.group": Words("组别", "Group"),
    "effect.treated": Words("治理干线", "treated corridors"),
    "effect.control": Words("对照干线", "control corridors"),
    "effect.before": Words("之前（秒）", "Before (s)"),
    "effect.after": Words("之后（秒）", "After (s)"),
    "effect.change": Words("变化", "Change"),
    "effect.weekdays": Words("按星期", "By weekday"),
    "effect.weekday": Words("星期", "Weekday"),
    "effect.nights": Words("天数", "Nights"),
    "effect.difference": Words("净效果（治理 − 对照）", "Effect (treated − control)"),
    "effect.none": Words(
        "尚无本夜之后的数据：同一城市有了之后的夜间结果，这里才能按小时与星期对比。",
        "There is no later night of this city yet: once there is, hours and weekdays are compared.",
    ),
    "effect.no_world": Words(
        "本夜没有仿真城市的实测结果。", "This night has no result from a simulated city."
    ),
    "effect.lead": Words(
        "之前：{before}；之后：{after}。对照干线的路口没有变更。",
        "Before: {before}; after: {after}. Junctions of control corridors were not changed.",
    ),
    "weekday.1": Words("星期一", "Monday"),
    "weekday.2": Words("星期二", "Tuesday"),
    "weekday.3": Words("星期三", "Wednesday"),
    "weekday.4": Words("星期四", "Thursday"),
    "weekday.5": Words("星期五", "Friday"),
    "weekday.6": Words("星期六", "Saturday"),
    "weekday.7": Words("星期日", "Sunday"),
    # board
    "board.title": Words("治理闭环", "The loop's board"),
    "board.lead": Words(
        "堵点挖掘 → 堵因分析 → 拥堵治理 → 效果评估：每夜最严重的 {count} 个堵点。",
        "Find → explain → treat → measure: the {count} worst bottlenecks of each night.",
    ),
    "board.found": Words("堵点", "Found"),
    "board.why": Words("堵因", "Why"),
    "board.treated": Words("治理", "Treated"),
    "board.yes": Words("改配时", "retimed"),
    "board.no": Words("未涉及", "not touched"),
    "board.verdict": Words("评判", "Verdict"),
    "board.decision": Words("决定", "Decision"),
    "board.effect": Words("全网延误变化（仿真世界）", "Whole network, simulated world"),
    "board.unknown": Words("尚未测得", "not measured"),
    "board.again": Words("次夜再现", "found again"),
    # log
    "log.title": Words("日志", "Log"),
    "log.decisions": Words("方案决定（审计日志）", "Decisions on packages (audit log)"),
    "log.journal": Words("操作日志", "What was done here"),
    "log.journal_no": Words("操作日志仅审批人员可见。", "Only approvers see what was done here."),
    "log.none": Words("还没有记录。", "There is nothing yet."),
    "log.at": Words("时间（UTC）", "When (UTC)"),
    "log.who": Words("谁", "Who"),
    "log.what": Words("做了什么", "What"),
    "log.note": Words("说明", "Note"),
    "log.status": Words("结果", "Outcome"),
    "log.whole": Words("链条完整", "the chain is whole"),
    # interface
    "api.title": Words("REST 接口", "REST interface"),
    "api.lead": Words(
        "同样的数据与操作，使用令牌：Authorization: Bearer …；"
        "令牌由 traffic-brain user token 生成。完整说明见 openapi.json。",
        "The same figures and acts, with a token: Authorization: Bearer …; get one with "
        "traffic-brain user token. openapi.json tells everything.",
    ),
    "api.method": Words("方法", "Method"),
    "api.path": Words("路径", "Path"),
    "api.means": Words("含义", "What it does"),
}
