"""What must be refused: forged tokens, other sites, strange paths, guesses, roles; all is noted."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from starlette.routing import Route

from tests.unit.console.conftest import NIGHT, PASSWORD, Served
from traffic_brain.console import passwords
from traffic_brain.console.accounts import Accounts, Role
from traffic_brain.console.addresses import Addresses
from traffic_brain.console.database import Database
from traffic_brain.console.throttle import Throttle
from traffic_brain.errors import ConfigurationError

OWN = f"{NIGHT}/proposals/night"
CHANGING = (
    ("planer", f"{NIGHT}/runs", {"corridor_id": "C01"}),
    ("planer", f"{NIGHT}/runs/R001/cancel", {}),
    ("approveer", f"{OWN}/approve", {"note": "yes"}),
    ("approveer", f"{OWN}/reject", {"note": "no"}),
    ("approveer", f"{OWN}/change", {"note": "other", "kept": ["J1"]}),
)


def journal(served: Served) -> list[tuple[str, str, int]]:
    entries = served.app.state.desk.journal.entries()
    return [(entry.who, entry.act, entry.status) for entry in entries]


@pytest.mark.parametrize(("least", "address", "body"), CHANGING)
def test_a_smaller_role_may_not_do_it(
    served: Served, least: str, address: str, body: dict[str, object]
) -> None:
    weaker = ["viewer"] if least == "planer" else ["viewer", "planer"]
    for name in weaker:
        answer = served.logged_in(name).post(address, json=body)
        assert answer.status_code == 403, answer.text
        assert journal(served)[0] == (name, f"POST {address}", 403)
    assert served.client().post(address, json=body).status_code == 401


def test_a_viewer_neither_exports_nor_reads_the_journal(served: Served) -> None:
    client = served.logged_in("viewer")
    assert client.get(f"{OWN}/export/json").status_code == 403
    assert client.get("/api/journal").status_code == 403
    assert served.logged_in("approveer").get("/api/journal").status_code == 200


def test_a_request_without_the_pages_mark_is_refused(served: Served) -> None:
    for mark in ("", "guessed"):
        client = served.logged_in("approveer")
        client.headers["x-csrf-token"] = mark
        assert client.post(f"{OWN}/reject", json={"note": "no"}).status_code == 403
    assert client.get(OWN).json()["state"] == "proposed"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://localhost.elsewhere.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_request_from_another_site_is_refused(served: Served, headers: dict[str, str]) -> None:
    client = served.logged_in("approveer")
    assert client.post(f"{OWN}/reject", json={"note": "no"}, headers=headers).status_code == 403
    stranger = served.client()
    told = {"name": "viewer", "password": PASSWORD}
    assert stranger.post("/api/session", json=told, headers=headers).status_code == 403


def test_a_host_that_is_not_ours_is_refused(served: Served) -> None:
    answer = served.client().get("/login", headers={"host": "rebound.example"})
    assert answer.status_code == 400
    assert journal(served)[0] == ("-", "GET /login", 400)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(served: Served) -> None:
    answer = served.client().post("/api/session", json={"name": "viewer", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_forged_and_ended_sessions_and_tokens_are_refused(served: Served) -> None:
    client = served.client()
    for secret in ("", "0" * 43, "' OR 1=1 --", "../../etc/passwd"):
        client.cookies.set("tb_session", quote(secret))
        assert client.get("/api/session").status_code == 401
    ended = served.client()
    told = ended.post("/api/session", json={"name": "viewer", "password": PASSWORD}).json()
    ended.headers["x-csrf-token"] = told["csrf"]
    kept = ended.cookies["tb_session"]
    assert ended.delete("/api/session").status_code == 200
    ended.cookies.set("tb_session", kept)
    assert ended.get("/api/session").status_code == 401


def test_a_token_has_the_role_of_its_account_and_guesses_are_slowed(own: Served) -> None:
    token = own.app.state.desk.accounts.new_token("viewer", "a dashboard")
    client = own.client()
    client.headers["authorization"] = f"Bearer {token}"
    assert client.get("/api/nights").status_code == 200
    assert client.post(f"{OWN}/approve", json={"note": "yes"}).status_code == 403
    client.headers["authorization"] = "Bearer forged"
    answers = [client.get("/api/nights").status_code for _ in range(12)]
    assert set(answers[:8]) == {401}
    assert answers[-1] == 429


def test_guessed_passwords_are_slowed_and_noted(own: Served) -> None:
    client = own.client()
    told = [
        client.post("/api/session", json={"name": "approveer", "password": f"guess {i}"})
        for i in range(10)
    ]
    assert [answer.status_code for answer in told] == [401] * 8 + [429] * 2
    assert int(told[-1].headers["retry-after"]) > 60
    right = client.post("/api/session", json={"name": "approveer", "password": PASSWORD})
    assert right.status_code == 429  # the guesser learns nothing by hitting it
    assert [status for _, act, status in journal(own) if act == "POST /api/session"][:1] == [429]


def test_guesses_that_come_at_once_are_slowed_as_well(own: Served) -> None:
    def guess(i: int) -> int:
        told = {"name": "approveer", "password": f"guess {i}"}
        return own.client().post("/api/session", json=told).status_code

    with ThreadPoolExecutor(12) as pool:
        answers = sorted(pool.map(guess, range(12)))
    assert answers == [401] * 8 + [429] * 4


def test_those_who_log_in_do_not_slow_their_neighbours(own: Served) -> None:
    desk = own.app.state.desk
    told = {"name": "viewer", "password": PASSWORD}
    assert own.client().post("/api/session", json=told).status_code == 200
    assert desk.addresses._events["10.0.0.7"] == deque()
    token = desk.accounts.new_token("viewer", "good")
    forged = {"authorization": "Bearer forged"}
    while own.client().get("/api/nights", headers=forged).status_code == 401:
        pass
    good = {"authorization": f"Bearer {token}"}
    assert own.client().get("/api/nights", headers=good).status_code == 200


def test_a_new_log_in_ends_the_browsers_session_before(own: Served) -> None:
    client = own.logged_in("viewer")
    before = client.cookies["tb_session"]
    told = {"name": "viewer", "password": PASSWORD}
    assert client.post("/api/session", json=told).status_code == 200
    stale = own.client()
    stale.cookies.set("tb_session", before)
    assert stale.get("/api/session").status_code == 401


def test_an_unknown_name_is_told_like_a_wrong_password(served: Served) -> None:
    client = served.client()
    known = client.post("/api/session", json={"name": "viewer", "password": "wrong wrong"})
    unknown = client.post("/api/session", json={"name": "nobody", "password": "wrong wrong"})
    assert known.json() == unknown.json()


STRANGE = (
    "../monday",
    "..%2fmonday",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "monday%00",
    "/etc/passwd",
    "….//",
    "<script>alert(1)</script>",
    "console",
)


@pytest.mark.parametrize("name", STRANGE)
def test_a_name_is_never_a_path(served: Served, name: str) -> None:
    client = served.logged_in("approveer")
    for address in (
        f"/api/nights/{name}/morning",
        f"{NIGHT}/corridors/{name}",
        f"{NIGHT}/proposals/{name}",
        f"{NIGHT}/junctions/{name}",
        f"{NIGHT}/runs/{name}",
        f"/static/{name}",
        f"/nights/{name}/map",
    ):
        answer = client.get(address)
        assert answer.status_code in {303, 307, 404}, (address, answer.status_code)
        assert "root:" not in answer.text
        assert "<script>alert" not in answer.text or "json" in answer.headers["content-type"]


def test_script_in_notes_and_names_stays_text(own: Served) -> None:
    client = own.logged_in("approveer")
    note = "<script>alert('note')</script><img src=x onerror=alert(1)>"
    assert client.post(f"{OWN}/reject", json={"note": note}).status_code == 200
    shown = client.get("/nights/monday/log").text
    assert "&lt;script&gt;alert(&#39;note&#39;)" in shown
    assert "<img" not in shown
    assert "<script>alert" not in shown


def test_bodies_are_small_and_of_the_right_kind(served: Served) -> None:
    client = served.logged_in("approveer")
    assert client.post(f"{OWN}/reject", content=b"x" * 300_000).status_code == 413
    assert client.post(f"{OWN}/reject", content=_without_length()).status_code in {400, 413, 422}
    form = client.post(f"{OWN}/reject", data={"note": "as a form"})
    assert form.status_code == 422
    assert client.post(f"{OWN}/reject", json={"note": "a", "more": 1}).status_code == 422
    assert client.get(OWN).json()["state"] == "proposed"


def _without_length() -> Iterator[bytes]:
    for _ in range(300):
        yield b"x" * 1024


def test_every_answer_carries_the_guards(served: Served) -> None:
    client = served.logged_in("viewer")
    for address in (
        "/login",
        "/board",
        "/api/nights",
        "/static/map.js",
        "/nowhere",
        "/api/nowhere",
    ):
        headers = client.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"], address
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert ("immutable" if "static" in address else "no-store") in headers["cache-control"]


def test_no_page_asks_for_anything_elsewhere(served: Served) -> None:
    client = served.logged_in("viewer")
    for address in ("/login", "/nights/monday/map", "/nights/monday/plans", "/interface"):
        for found in re.findall(r"(?:src|href|action)=\"([^\"]*)\"", client.get(address).text):
            assert found.startswith(("/", "#", "data:,")), found
            assert not found.startswith("//")


@pytest.mark.parametrize("path", ["//elsewhere.example/x", "/\\elsewhere.example", "/%2F/x"])
def test_no_link_leads_to_another_machine(served: Served, path: str) -> None:
    client = served.logged_in("viewer")
    shown = client.get(f"http://localhost{path}")
    for found in re.findall(r'href="([^"]*)"', shown.text):
        assert not found.startswith(("//", "/\\", "/%5C")), found


def test_the_map_is_sent_once_to_whoever_may_see_it(served: Served) -> None:
    client = served.logged_in("viewer")
    for part in ("map", "map/levels", "map/speeds"):
        first = client.get(f"{NIGHT}/{part}")
        mark = {"if-none-match": first.headers["etag"]}
        again = client.get(f"{NIGHT}/{part}", headers=mark)
        assert (again.status_code, again.content) == (304, b"")
        assert "private" in again.headers["cache-control"]
        assert served.client().get(f"{NIGHT}/{part}", headers=mark).status_code == 401


def test_a_name_with_signs_of_an_address_is_found() -> None:
    async def nothing(_: object) -> None: ...

    places = Addresses([Route("/j/{night}/{junction:path}", nothing, name="j")])
    assert places.of("j", night="a/b?", junction="x/y?z#1") == "/j/a%2Fb%3F/x/y%3Fz%231"


def test_the_journal_is_chained_and_cannot_be_changed(own: Served) -> None:
    found = own.app.state.desk.journal
    found.note("eve", "10.0.0.9", "POST /x\n2026 forged line", 200)
    assert found.flaw() is None
    assert "\n" not in found.entries()[0].act
    with own.app.state.desk.journal._database.writing() as connection:
        with pytest.raises(Exception, match="append-only"):
            connection.execute("DELETE FROM journal")
        connection.execute("DROP TRIGGER journal_no_update")
        connection.execute("UPDATE journal SET who = 'adam' WHERE who = 'eve'")
    assert found.flaw() is not None


def test_accounts_keep_no_password_and_no_secret(own: Served) -> None:
    accounts: Accounts = own.app.state.desk.accounts
    client = own.logged_in("viewer")
    token = accounts.new_token("viewer", "")
    database: Database = accounts._database
    database.path.with_name("copy").write_bytes(database.path.read_bytes())
    stored = b"".join(p.read_bytes() for p in database.path.parent.iterdir())
    for secret in (PASSWORD, token, client.cookies["tb_session"]):
        assert secret.encode() not in stored
    assert database.path.stat().st_mode & 0o077 == 0
    accounts.remove("viewer")
    assert client.get("/api/session").status_code == 401
    assert accounts.holder(token) is None


def test_passwords_and_names_are_held_to_rules(own: Served) -> None:
    accounts: Accounts = own.app.state.desk.accounts
    for name, password in (("", PASSWORD), ("a b", PASSWORD), ("x", "short"), ("x", "y" * 300)):
        with pytest.raises(ConfigurationError):
            accounts.add(name, Role.VIEW, password)
    with pytest.raises(ConfigurationError, match="already"):
        accounts.add("viewer", Role.VIEW, PASSWORD)
    stored = passwords.hashed(PASSWORD)
    assert passwords.matches(PASSWORD, stored)
    assert not passwords.matches(PASSWORD + " ", stored)
    assert not passwords.matches("x" * 100_000, stored)


def test_the_throttle_slides() -> None:
    now = [0.0]
    throttle = Throttle(2, 10.0, clock=lambda: now[0])
    throttle.note("a")
    now[0] = 4.0
    throttle.note("a")
    assert throttle.wait_s("a") == pytest.approx(6.0)
    assert throttle.wait_s("b") == 0.0
    now[0] = 10.0
    assert throttle.wait_s("a") == 0.0
    throttle.note("a")
    assert throttle.wait_s("a") == pytest.approx(4.0)
    throttle.clear("a")
    assert throttle.wait_s("a") == 0.0


def test_a_wrong_password_takes_as_long_for_an_unknown_name(served: Served) -> None:
    accounts: Accounts = served.app.state.desk.accounts

    def seconds(name: str) -> float:
        start = time.process_time()
        accounts.log_in(name, "wrong wrong")
        return time.process_time() - start

    known, unknown = (min(seconds(name) for _ in range(3)) for name in ("viewer", "nobody"))
    assert unknown > 0.5 * known
