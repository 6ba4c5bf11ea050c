"""Every page, in both languages: it opens, and what comes from outside stays text."""

from __future__ import annotations

import re

import pytest

from tests.unit.console.conftest import Served
from traffic_brain.console.texts import WORDS

PAGES = (
    "/nights/monday/morning",
    "/nights/monday/map",
    "/nights/monday/zones",
    "/nights/monday/zones/W",
    "/nights/monday/zones/empty",
    "/nights/monday/bottlenecks/B001",
    "/nights/monday/corridors",
    "/nights/monday/corridors/C01",
    "/nights/monday/junctions/J2",
    "/nights/monday/plans",
    "/nights/monday/runs",
    "/nights/monday/emergency",
    "/nights/monday/effect",
    "/nights/monday/log",
    "/board",
    "/interface",
)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("address", PAGES)
def test_a_page_opens_in_both_languages(served: Served, address: str, language: str) -> None:
    client = served.logged_in("viewer")
    answer = client.get(address, params={"lang": language})
    assert answer.status_code == 200, answer.text
    assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in answer.text
    assert "<script>alert" not in answer.text  # the name of junction J2
    assert not re.search(r"<script(?![^>]*(src=|application/json))", answer.text)
    assert not re.search(r"\son\w+=|style=", answer.text.replace("\\u003c", ""))
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert client.cookies["tb_language"] == language


def test_the_language_is_remembered(served: Served) -> None:
    client = served.logged_in("viewer")
    client.get("/board", params={"lang": "en"})
    assert "Loop board" in client.get("/board").text


def test_nobody_sees_a_page_without_logging_in(served: Served) -> None:
    for address in ("/", *PAGES):
        answer = served.client().get(address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_an_unknown_place_is_told_in_a_page(served: Served) -> None:
    client = served.logged_in("viewer")
    for address in ("/nights/tuesday/map", "/nights/monday/zones/X", "/nowhere"):
        answer = client.get(address, params={"lang": "en"})
        assert answer.status_code == 404
        assert "This cannot be shown" in answer.text


def test_the_words_are_there_in_both_languages() -> None:
    for key, words in WORDS.items():
        assert words.zh, key
        assert words.en, key
        holes = [sorted(re.findall(r"\{(\w+)\}", text)) for text in (words.zh, words.en)]
        assert holes[0] == holes[1], key


def test_names_are_found_by_pinyin_and_id(served: Served) -> None:
    client = served.logged_in("viewer")

    def found(query: str) -> list[str]:
        answer = client.get("/api/nights/monday/search", params={"q": query})
        return [hit["id"] for hit in answer.json()]

    assert "J1" in found("黄山")
    assert "J1" in found("huangshan")
    assert "J1" in found("hsl")
    assert found("C01") == ["C01"]
    assert found("there is no such thing") == []
    assert found("") == []


def test_counterfactual_shares_are_shown_with_intervals_and_treatments(served: Served) -> None:
    """The second bottleneck is of an older night: it has none, and says so."""
    client = served.logged_in("viewer")
    page = client.get("/nights/monday/bottlenecks/B001", params={"lang": "en"}).text
    assert "48 % – 71 %" in page
    assert page.count('class="whisker"') == 3
    assert "share out the greens anew" in page
    assert "change the use of lanes" in page
    older = client.get("/nights/monday/bottlenecks/B002").text
    assert "whisker" not in older
    assert "Not a matter of timing" in older
