"""Emergency corridors in the console: worked out, kept, printed; nothing is switched."""

from __future__ import annotations

import pytest

from tests.unit.console.conftest import NIGHT, Served

ALONG = {"corridor_id": "C01", "direction": "out", "depart_s": 27_600, "speed_kmh": 54}
LINKS = {"from_link": "W-J1", "to_link": "J3-E", "depart_s": 27_600, "speed_kmh": 54}


def test_a_corridor_and_its_two_ends_are_the_same_route(own: Served) -> None:
    client = own.logged_in("planer")
    along, links = (
        client.post(f"{NIGHT}/emergencies", json=asked).json() for asked in (ALONG, LINKS)
    )
    assert along["route"] == links["route"] == ["W-J1", "J1-J2", "J2-J3", "J3-E"]
    assert along["passages"] == links["passages"]
    assert [p["junction_id"] for p in along["passages"]] == ["J1", "J2", "J3"]
    assert along["unaided_s"] >= along["drive_s"] > 0
    for passage in along["passages"]:
        begin, end = passage["green_s"]
        assert any(a <= begin and end <= b for a, b in passage["greens_s"])
    back = client.post(f"{NIGHT}/emergencies", json=ALONG | {"direction": "back"}).json()
    assert back["route"] == ["E-J3", "J3-J2", "J2-J1", "J1-W"]
    kept = client.get(f"{NIGHT}/emergencies").json()
    assert [one["emergency_id"] for one in kept] == ["E003", "E002", "E001"]
    assert client.get(f"{NIGHT}/emergencies/E001").json() == along


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_result_has_a_page_to_print(own: Served, language: str) -> None:
    client = own.logged_in("planer")
    made = client.post(f"{NIGHT}/emergencies", json=ALONG).json()
    address = f"/nights/monday/emergency/{made['emergency_id']}"
    page = client.get(address, params={"lang": language})
    assert page.status_code == 200
    assert "<script>alert" not in page.text  # the name of junction J2
    assert 'class="vehicle"' in page.text
    assert ("仅为建议" if language == "zh" else "A proposal only") in page.text
    assert made["emergency_id"] in client.get("/nights/monday/emergency").text


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"depart_s": 27_600}, 400),
        (ALONG | LINKS, 400),
        (LINKS | {"from_link": "../../etc"}, 404),
        (ALONG | {"corridor_id": "C99"}, 404),
        (LINKS | {"from_link": "J1-N", "to_link": "W-J1"}, 400),
        (ALONG | {"speed_kmh": 9}, 422),
        (ALONG | {"depart_s": 90_000}, 422),
        (ALONG | {"note": "strange"}, 422),
    ],
)
def test_what_cannot_be_worked_out_is_refused(
    served: Served, asked: dict[str, object], status: int
) -> None:
    answer = served.logged_in("planer").post(f"{NIGHT}/emergencies", json=asked)
    assert answer.status_code == status, answer.text
    assert answer.json()["remedy"]


def test_a_viewer_may_look_and_not_ask(served: Served) -> None:
    client = served.logged_in("viewer")
    assert client.post(f"{NIGHT}/emergencies", json=ALONG).status_code == 403
    assert client.get(f"{NIGHT}/emergencies").json() == []
    for name in ("E001", "E1", "..%2Fdecisions", "E001.json"):
        assert client.get(f"{NIGHT}/emergencies/{name}").status_code == 404


def test_links_are_found_by_name_and_told_by_their_ends(served: Served) -> None:
    client = served.logged_in("viewer")
    found = client.get(f"{NIGHT}/links", params={"q": "J1-J2"}).json()
    name = "J1→J2 · 黄山路与科学大道 → <script>alert('路口')</script>"
    assert found == [{"kind": "link", "id": "J1-J2", "name": name}]
    assert client.get(f"{NIGHT}/links").json() == []
