"""The audit log: any change of it is found, and the first broken entry is named."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DatabaseError

from tests.unit.deployment.decided import Decided, by
from traffic_brain.deployment.approval import approve, reject
from traffic_brain.deployment.audit import NOTHING_BEFORE, Act, Entry, Head, State, Trail, seal
from traffic_brain.deployment.store import Store
from traffic_brain.errors import ConfigurationError

ACT = Act("p" * 64, "proposed", "wang", "", "2026-11-03T01:15:00+00:00", "2026-11-03")


def log_of(count: int) -> list[Entry]:
    entries: list[Entry] = []
    head = Head()
    for i in range(count):
        entry = seal(replace(ACT, package_id=f"{i:064x}", note=f"note {i}"), head)
        entries.append(entry)
        head = Head(entry.seq, entry.digest)
    return entries


def trail_of(entries: list[Entry], head: Head | None = None) -> Trail:
    last = Head(entries[-1].seq, entries[-1].digest) if entries else Head()
    states = {entry.act.package_id: entry.act.state for entry in log_of(8)}
    return Trail(entries, head or last, states)


WHOLE = log_of(8)
HEAD = Head(8, WHOLE[-1].digest)


def test_a_whole_log_has_no_flaw() -> None:
    assert trail_of(WHOLE).flaw() is None
    assert trail_of(WHOLE).flaw(Head(5, WHOLE[4].digest[:12])) is None
    assert Trail([], Head(), {}).flaw() is None
    assert WHOLE[0].previous == NOTHING_BEFORE


FIELDS = ("package_id", "state", "who", "note", "at", "on_day", "other_id")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("idx", [0, 3, 7])
def test_any_changed_field_breaks_the_log_at_its_entry(field: str, idx: int) -> None:
    entries = list(WHOLE)
    entries[idx] = replace(entries[idx], act=replace(entries[idx].act, **{field: "other"}))
    assert trail_of(entries, HEAD).flaw() == (idx, f"entry {idx + 1} has been changed")


@given(st.data())
def test_whatever_is_removed_doubled_or_moved_is_found(data: st.DataObject) -> None:
    entries = list(WHOLE)
    i = data.draw(st.integers(0, 7))
    k = data.draw(st.integers(0, 7).filter(lambda k: k != i))
    change: Callable[[], object] = data.draw(
        st.sampled_from(
            [
                lambda: entries.pop(i),
                lambda: entries.insert(k, entries[i]),
                lambda: entries.insert(k, entries.pop(i)),
                lambda: entries.__delitem__(slice(i, None)),
            ]
        )
    )
    change()
    flaw = trail_of(entries, HEAD).flaw()
    assert flaw is not None
    sound, _ = flaw
    assert entries[:sound] == WHOLE[:sound]
    assert sound <= len(entries)


def test_a_log_that_was_cut_off_is_found_by_its_head() -> None:
    flaw = trail_of(WHOLE[:6], HEAD).flaw()
    assert flaw == (6, "entry 7 is missing: the log was cut off, it had 8 entries")


def test_a_log_that_was_written_anew_is_found_by_a_head_on_paper() -> None:
    written = Head.parse(f" 6:{WHOLE[5].digest[:16].upper()}\n")
    anew = log_of(6)
    anew[2:] = []
    for i in range(2, 8):
        last = anew[-1]
        anew.append(
            seal(replace(ACT, package_id=f"{i:064x}", note="forged"), Head(last.seq, last.digest))
        )
    assert trail_of(anew).flaw() is None  # a chain alone cannot know
    flaw = trail_of(anew).flaw(written)
    assert flaw is not None
    assert "that was written down is not in the log" in flaw[1]
    assert trail_of(WHOLE[:5]).flaw(written) is not None


@pytest.mark.parametrize("text", ["", "17", "17:", "x:abcdefabcdef", "3:abc", "3:zzzzzzzzzzzz"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the head of an audit log"):
        Head.parse(text)


def test_a_store_that_contradicts_the_log_is_found() -> None:
    states = {entry.act.package_id: entry.act.state for entry in WHOLE}
    flaw = Trail(WHOLE, HEAD, {**states, f"{3:064x}": "approved"}).flaw()
    assert flaw is not None
    assert "is approved in the store, proposed in the log" in flaw[1]
    assert Trail(WHOLE, HEAD, {**states, "f" * 64: "approved"}).flaw() is not None


# --- in a database -------------------------------------------------------------------------


@pytest.fixture
def decided(night: Decided, store: Store) -> Store:
    """A store with six entries: four packages, of which two are decided on."""
    reject(store, night.package, by("li", "not now"))
    approve(store, night.again("b"), night.city, night.state, by())
    reject(store, night.again("c"), by("zhao", "not this one"))
    assert len(store.trail().entries) == 6
    return store


def change(store: Store, *statements: str) -> None:
    """What somebody with the rights of an administrator could do to the database."""
    engine = store._engine
    trusted = (
        "ALTER TABLE decisions DISABLE TRIGGER no_change"
        if engine.dialect.name == "postgresql"
        else "DROP TRIGGER no_UPDATE; DROP TRIGGER no_DELETE"
    )
    with engine.begin() as connection:
        for statement in (*trusted.split(";"), *statements):
            connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE decisions SET note = 'x' WHERE seq = 2", "DELETE FROM decisions WHERE seq = 6"],
)
def test_the_database_itself_refuses_to_change_the_log(decided: Store, statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), decided._engine.begin() as connection:
        connection.execute(sa.text(statement))
    assert decided.trail().flaw() is None


@pytest.mark.parametrize(
    ("statement", "sound", "words"),
    [
        ("UPDATE decisions SET note = 'fine' WHERE seq = 2", 1, "entry 2 has been changed"),
        ("UPDATE decisions SET who = 'li' WHERE seq = 4", 3, "entry 4 has been changed"),
        ("UPDATE decisions SET state = 'nonsense' WHERE seq = 4", 3, "entry 4 has been changed"),
        ("DELETE FROM decisions WHERE seq = 3", 2, "entry 3 is missing"),
        ("DELETE FROM decisions WHERE seq > 4", 4, "entry 5 is missing: the log was cut off"),
        ("UPDATE packages SET state = 'approved' WHERE state = 'rejected'", 6, "in the log"),
        ("UPDATE log_head SET count = 5", 6, "entry 6 was added past the 5"),
    ],
)
def test_what_was_changed_in_the_database_is_found(
    decided: Store, statement: str, sound: int, words: str
) -> None:
    change(decided, statement)
    flaw = decided.trail().flaw()
    assert flaw is not None
    assert flaw[0] == sound
    assert words in flaw[1]


def test_a_cut_log_with_a_mended_head_is_found_by_the_packages(decided: Store) -> None:
    fourth = decided.trail().entries[3]
    change(
        decided,
        "DELETE FROM decisions WHERE seq > 4",
        f"UPDATE log_head SET count = 4, digest = '{fourth.digest}'",
    )
    flaw = decided.trail().flaw()
    assert flaw is not None
    assert "is rejected in the store, unknown in the log" in flaw[1]


def test_states_of_the_store_and_of_the_log_have_the_same_names() -> None:
    assert {state.value for state in State} == {
        *("proposed", "approved", "rejected", "modified", "expired", "rolled back")
    }
