"""The page of a night: what it says, in which language, and what it must not do."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.report_night import BOTTLENECKS, PROPOSED, RUNNING, VERDICT, Folders, write_night
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.verdict import Decision
from traffic_brain.report import page
from traffic_brain.report.page import both, script_json
from traffic_brain.report.saved import MAX_PICTURES, load_night
from traffic_brain.report.texts import Words, words

KEPT = replace(VERDICT, decision=Decision.INCONCLUSIVE, reason="not shown to be better: -1.0%")
NO_RUNS = replace(
    VERDICT,
    decision=Decision.KEEP,
    reason="no plan was proposed: nothing here can be retimed",
    candidate_id="",
    seeds=(),
    in_service_delay_s_per_veh=(),
    proposed_delay_s_per_veh=(),
    change_s_per_veh=None,
    change_ratio=None,
)


class Page(HTMLParser):
    """Elements with their attributes, visible text by language, and scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.texts: dict[str, list[str]] = {"zh-CN": [], "en": [], "": []}
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if tag == "script":
            self.scripts.append((found, ""))
        if tag not in {"meta", "input", "br"}:
            self._open.append((tag, found.get("lang") or "" if tag == "span" else ""))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif data.strip():
            language = next((lang for _, lang in reversed(self._open) if lang), "")
            self.texts[language].append(data.strip())

    @property
    def text(self) -> str:
        return "\n".join(text for found in self.texts.values() for text in found)

    @property
    def data(self) -> dict[str, object]:
        text = next(t for a, t in self.scripts if a.get("id") == "page-data")
        found: dict[str, object] = json.loads(text)
        return found


def html_of(folders: Folders) -> str:
    page.write(**folders.arguments())
    return (folders.out / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return write_night(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def html(night: Folders) -> str:
    return html_of(night)


@pytest.fixture(scope="module")
def shown(html: str) -> Page:
    return Page(html)


def test_the_head_tells_the_night(shown: Page) -> None:
    chinese, english = "\n".join(shown.texts["zh-CN"]), "\n".join(shown.texts["en"])
    assert "建议下发" in chinese
    assert "Deploy" in english
    assert "95 % 区间 −20.1 % 至 −16.4 %" in chinese
    assert "change −20.4 %, 95 % interval −22.1 % to −18.7 %" in english
    for figure in ("−18.3 %", "138.5 → 110.2", "21,000", "409"):
        assert figure in shown.text
    assert "示例城市 · 运行日 2026-03-02" in chinese


def test_everything_is_said_in_both_languages(shown: Page) -> None:
    assert len(shown.texts["zh-CN"]) == len(shown.texts["en"]) > 150
    assert not [text for text in shown.texts["en"] if text in {"", "None"}]
    assert "None" not in shown.texts[""]


def test_the_page_opens_in_chinese(shown: Page) -> None:
    assert ("html", {"lang": "zh-CN", "data-language": "zh"}) in shown.elements


def test_plans_are_listed_with_old_and_new_seconds_winners_first(shown: Page) -> None:
    rows = [a["data-search"] for tag, a in shown.elements if tag == "tr" and "data-search" in a]
    assert rows == ["<script>alert('路口')</script> j2", "黄山路与科学大道 j1", "j3 j3"]
    for seconds in ("35 → 52", "(+17)", "45 → 28", "(−17)"):
        assert seconds in shown.text


def test_reasons_are_explained_and_new_ones_shown_as_they_are(shown: Page) -> None:
    assert "重复上报，只保留一条。" in shown.text
    assert "The plate could not be read. Plates are never kept." in shown.text
    assert "from_the_future" in shown.text
    assert "and 3 more" in shown.texts["en"]


def test_a_script_in_a_junction_name_stays_text(html: str, shown: Page) -> None:
    assert "<script>alert" not in html
    assert "<script>alert('路口')</script>" in shown.text
    assert len(shown.scripts) == 3


def test_names_in_figures_are_not_markup(shown: Page) -> None:
    ticks = shown.data["figures"]["figure-corridor-1"]["layout"]["yaxis"]["ticktext"]  # type: ignore[index]
    assert ticks[1].startswith("&lt;script&gt;")


def test_only_our_scripts_may_run_and_nothing_may_be_loaded(shown: Page) -> None:
    policy = next(
        a["content"]
        for tag, a in shown.elements
        if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'none'"
    hashes = [
        f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for attributes, text in shown.scripts
        if attributes.get("type") is None
    ]
    assert rules.pop("script-src").split() == hashes
    assert rules.pop("style-src") == "'unsafe-inline'"
    assert rules.pop("img-src") == "data: blob:"
    assert rules == {"base-uri": "'none'", "form-action": "'none'"}


def test_no_element_points_outside(html: str, shown: Page) -> None:
    pointers = {"src", "href", "action", "data", "poster", "srcset", "background"}
    outside = [
        (tag, name, value)
        for tag, attributes in shown.elements
        for name, value in attributes.items()
        if name in pointers and not (value or "").startswith("#")
    ]
    own = [("a", "href", "zones/index.html"), ("a", "href", "night.xlsx")]
    assert outside == own  # files of the same folder
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    ours = next(
        text for a, text in shown.scripts if a.get("type") is None and "setLanguage" in text
    )
    assert "http" not in ours


def test_the_same_night_gives_the_same_bytes(night: Folders, html: str, tmp_path: Path) -> None:
    copied = tmp_path / "elsewhere"
    copied.mkdir()
    page.write(**{**night.arguments(), "out": copied})
    assert (copied / "index.html").read_text(encoding="utf-8") == html


def test_a_verdict_that_does_not_deploy_says_so_at_the_table(tmp_path: Path) -> None:
    shown = Page(html_of(write_night(tmp_path, verdict=KEPT, with_world=False)))
    assert "暂无定论" in shown.text
    assert "评判后不下发" in shown.text
    assert "“Inconclusive”: this table is for information" in shown.text
    assert "没有方案下发，因此没有证书。" in shown.text
    assert "本夜没有城市实况的结果" in shown.text
    assert "未能证明更好：-1.0%" in shown.text


def test_an_empty_night_has_a_clear_sentence_for_everything(tmp_path: Path) -> None:
    folders = write_night(
        tmp_path,
        verdict=NO_RUNS,
        bottlenecks=(),
        corridors=(),
        proposed={},
        with_world=False,
        with_defects=False,
    )
    document = folders.plans / "candidates.json"
    document.write_text('{"candidates": []}', encoding="utf-8")
    shown = Page(html_of(folders))
    for key in (
        "map.none",
        "corridor.none",
        "plans.none",
        "verdict.no_pairs",
        "verdict.no_world",
        "safety.none",
        "data.no_quarantine",
        "data.no_health",
    ):
        assert words(key).zh in shown.texts["zh-CN"], key
        assert words(key).en in shown.texts["en"], key
    assert "没有可以调整配时的路口" in shown.text


def test_candidates_that_all_lost_are_mentioned(tmp_path: Path) -> None:
    shown = Page(html_of(write_night(tmp_path, verdict=NO_RUNS)))
    assert "2 sets of plans were drawn up and the check chose none of them" in shown.text
    assert "方案维持不变：现行方案下城市实况的车均延误为 138.5 秒（3 个种子的均值）。" in shown.text


def test_queues_beyond_the_map_are_told_apart(tmp_path: Path) -> None:
    folders = write_night(tmp_path)
    summary = folders.state / "summary.json"
    told = json.loads(summary.read_text("utf-8"))
    waited = [{"link_id": "W-J1", "vehicles": 2131.6, "delay_veh_h": 375.2}]
    summary.write_text(json.dumps(told | {"waited_before_the_map": waited}), encoding="utf-8")
    shown = Page(html_of(folders))
    assert "约 2,132 辆车在路网边缘外等候，共 375.2 车·时" in shown.text
    assert "about 2,132 vehicles waited before its edge, 375.2 veh·h in all" in shown.text


TOO_MANY = (
    "7 junctions may be retimed, at most 4 are refined ([refine] most_refined)",
    "9000 vehicles drove, at most 8000 are simulated so often ([refine] most_vehicles)",
)


@pytest.mark.parametrize(
    ("told", "texts"),
    [
        (
            {"in_service_s_per_veh": 23.72, "delay_s_per_veh": 15.84},
            [
                "现行 23.7 秒/车，最好方案 15.8 秒/车",
                "in service 23.7 s per vehicle, best found 15.8",
            ],
        ),
        (
            {"skipped": TOO_MANY[0]},
            ["未采用联合优化：可调配时的路口有 7 个，最多联合优化 4 个", "Not refined together: 7"],
        ),
        ({"skipped": TOO_MANY[1]}, ["共有 9000 辆车，反复仿真时最多 8000 辆"]),
    ],
)
def test_what_the_search_in_the_rebuilt_city_did_is_told(
    tmp_path: Path, told: dict[str, object], texts: list[str]
) -> None:
    folders = write_night(tmp_path)
    (folders.plans / "refinement.json").write_text(json.dumps(told), encoding="utf-8")
    shown = Page(html_of(folders))
    for text in texts:
        assert text in shown.text


def test_a_plan_with_other_stages_is_not_compared_second_by_second(tmp_path: Path) -> None:
    swapped = replace(PROPOSED["J1"], stages=PROPOSED["J1"].stages[::-1])
    shown = Page(html_of(write_night(tmp_path, proposed={"J1": swapped})))
    assert "stages themselves differ" in shown.text


def test_stages_that_go_and_come_are_told_by_who_drives_in_them(tmp_path: Path) -> None:
    running = RUNNING["J1"]
    yielding = replace(running.stages[0], picture="Ggrr")
    proposed = {"J1": replace(running, stages=(yielding, running.stages[1]), plan_id="proposed")}
    shown = Page(html_of(write_night(tmp_path, proposed=proposed)))
    for text in ("取消阶段", "new stage", "(↑)", "those in brackets give way"):
        assert text in shown.text
    unchanged = Page(html_of(write_night(tmp_path / "same")))
    assert "new stage" not in unchanged.text


def test_a_plan_that_only_has_another_name_is_no_change(tmp_path: Path) -> None:
    renamed = replace(RUNNING["J1"], plan_id="renamed")
    shown = Page(html_of(write_night(tmp_path, proposed={"J1": renamed})))
    assert words("plans.none").en in shown.text


def test_a_long_day_is_thinned_to_what_a_slider_can_show(tmp_path: Path) -> None:
    folders = write_night(tmp_path)
    table = pa.table(
        {
            "link_id": pa.array(["J1-J2"] * 288),
            "bin_start_s": pa.array(range(0, 86_400, 300), pa.int64()),
            "speed_mps": pa.array([10.0] * 288),
            "level": pa.array(["free"] * 288),
        }
    )
    pq.write_table(table, folders.state / "link_state.parquet")
    states = load_night(**{k: v for k, v in folders.arguments().items() if k != "out"}).link_states
    assert len(states.bins_s) == MAX_PICTURES
    assert states.bins_s[:3] == (0, 900, 1800)
    assert set(states.speeds_kmh[0]) == {-1, 36}


@pytest.mark.parametrize(
    "missing",
    [
        "state/summary.json",
        "state/link_state.parquet",
        "diagnosis/bottlenecks.json",
        "plans/candidates.json",
        "verdict/verdict.json",
        "package/certificate.json",
        "world/result.json",
    ],
)
def test_a_missing_file_is_named(night: Folders, tmp_path: Path, missing: str) -> None:
    root = tmp_path / "copy"
    shutil.copytree(night.out.parent, root)
    (root / missing).unlink()
    shutil.rmtree(root / "report")
    (root / "report").mkdir()
    folders = Folders(*(root / name.name for name in night.arguments().values()))
    with pytest.raises(DataRefused, match=re.escape(Path(missing).name)):
        page.write(**folders.arguments())
    assert list(folders.out.iterdir()) == []


def test_a_folder_that_is_no_city_is_refused(night: Folders, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a city folder"):
        page.write(**{**night.arguments(), "city": tmp_path, "out": tmp_path})


def test_results_of_another_version_are_refused_with_the_field(tmp_path: Path) -> None:
    folders = write_night(tmp_path)
    (folders.package / "certificate.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataRefused, match="certificates"):
        page.write(**folders.arguments())


def test_findings_on_another_city_are_refused(tmp_path: Path) -> None:
    folders = write_night(tmp_path, bottlenecks=(replace(BOTTLENECKS[0], link_id="elsewhere"),))
    with pytest.raises(DataRefused, match="no link elsewhere"):
        page.write(**folders.arguments())


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    folders = write_night(tmp_path)
    pq.write_table(pa.table({"feed": ["police"]}), folders.state / "quarantine.parquet")
    with pytest.raises(DataRefused, match="no column reason; no column rows"):
        page.write(**folders.arguments())


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    folders = write_night(tmp_path)
    (folders.state / "health.parquet").write_bytes(b"PAR1 no longer")
    with pytest.raises(DataRefused, match=r"health\.parquet cannot be read"):
        page.write(**folders.arguments())


def test_data_cannot_end_its_script_element() -> None:
    text = script_json({"a": "</script><!--&\u2028", "b": Words("甲", "A")})
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == {"a": "</script><!--&\u2028", "b": {"zh": "甲", "en": "A"}}
    with pytest.raises(TypeError, match="set has no place in a figure"):
        script_json({1, 2})


def test_both_languages_are_escaped() -> None:
    assert both(Words("<甲>", "<A>")) == (
        '<span lang="zh-CN">&lt;甲&gt;</span><span lang="en">&lt;A&gt;</span>'
    )
    assert both(Words("<x>", "<x>")) == "&lt;x&gt;"
