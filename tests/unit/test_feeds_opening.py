"""Tables as they lie in a folder: every form gives the same rows, and no row is lost uncounted."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic_brain.errors import DataRefused
from traffic_brain.feeds import csv_text
from traffic_brain.feeds.column_map import FeedMap, TableMap
from traffic_brain.feeds.conversion import ARROW_TYPE
from traffic_brain.feeds.layout import INTEGER, NUMBER, TEXT, TIME
from traffic_brain.feeds.opening import batches, pieces, read_piece
from traffic_brain.feeds.quarantine import Quarantine

COLUMNS = {"site_id": TEXT, "time": TIME, "plate": TEXT, "lane_idx": INTEGER, "speed": NUMBER}
FEED = FeedMap("checkpoint")


def sound(rows: int = 200) -> pa.Table:
    rng = np.random.default_rng(1)
    times = 1_772_400_000_000 + np.arange(rows) * 1234
    return pa.table(
        {
            "site_id": [f"路口{i % 7}" for i in range(rows)],
            "time": pa.array(times).cast(pa.timestamp("ms", "Asia/Shanghai")),
            "plate": [f"皖A·{10000 + i % 90}" for i in range(rows)],
            "lane_idx": rng.integers(0, 4, rows),
            "speed": np.round(rng.uniform(0, 99, rows), 2),
        }
    )


def as_csv(table: pa.Table) -> str:
    out = io.BytesIO()
    pc_csv.write_csv(table, out)
    return out.getvalue().decode()


def read(folder: Path, columns: Mapping[str, str] = COLUMNS) -> tuple[pa.Table, Quarantine]:
    """All rows, with plain texts, and what was counted."""
    quarantine = Quarantine()
    found = list(batches(folder, "passes", columns, FEED, quarantine))
    for batch in found:
        assert batch.schema.types == [ARROW_TYPE[kind] for kind in columns.values()]
        assert batch.schema.names == list(columns)
    table = pa.Table.from_batches(
        found, pa.schema([(name, ARROW_TYPE[kind]) for name, kind in columns.items()])
    )
    assert quarantine.rows_read_of("checkpoint") == table.num_rows + quarantine.total
    plain = [
        (name, pa.string() if kind == TEXT else ARROW_TYPE[kind]) for name, kind in columns.items()
    ]
    return table.cast(pa.schema(plain)).combine_chunks(), quarantine


def expected() -> pa.Table:
    table = sound()
    return table.set_column(1, "time", table["time"].cast(ARROW_TYPE[TIME])).combine_chunks()


FORMS: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode(),
    "with a mark": lambda text: text.encode("utf-8-sig"),
    "gb18030": lambda text: text.encode("gb18030"),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "no quotes": lambda text: text.replace('"', "").encode(),
    "dos": lambda text: text.replace("\n", "\r\n").encode(),
    "old mac": lambda text: text.replace("\n", "\r").encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "empty lines": lambda text: text.replace("\n", "\n\n\n").encode(),
    "packed": lambda text: gzip.compress(text.encode()),
    "packed in two": lambda text: (
        gzip.compress(text[:5000].encode()) + gzip.compress(text[5000:].encode())
    ),
    "line by line": lambda text: b"\n".join(
        line.encode("gb18030" if i % 3 else "utf-8") for i, line in enumerate(text.split("\n"))
    ),
}


@pytest.mark.parametrize("form", list(FORMS))
def test_csv_of_every_form_is_the_same_table(tmp_path: Path, form: str) -> None:
    (tmp_path / "passes.csv").write_bytes(FORMS[form](as_csv(sound())))
    found, quarantine = read(tmp_path)
    assert found.equals(expected())
    assert quarantine.total == 0


def test_a_plate_of_henan_is_chinese_in_either_code(tmp_path: Path) -> None:
    """In GB18030, its first character is a letter of UTF-8."""
    lines = ["site_id,plate", *(f"K{i},{'豫皖'[i % 2]}A·12345" for i in range(6)), "K7,豫A12345"]
    text = "\n".join(lines)
    (tmp_path / "passes.csv").write_bytes(text.encode("gb18030"))
    found, _ = read(tmp_path, {"site_id": TEXT, "plate": TEXT})
    assert found["plate"].to_pylist() == [line.split(",")[1] for line in lines[1:]]


def test_small_chunks_are_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = as_csv(sound()).replace("\n", "\r\n").encode("gb18030")
    (tmp_path / "passes.csv.gz").write_bytes(gzip.compress(text))
    for size in (997, 1000, 4096):
        monkeypatch.setattr(csv_text, "CHUNK_BYTES", size)
        assert read(tmp_path)[0].equals(expected())


@pytest.mark.parametrize("dictionary", [True, False])
def test_parquet_keeps_ids_as_dictionaries(tmp_path: Path, dictionary: bool) -> None:
    pq.write_table(sound(), tmp_path / "passes.parquet", use_dictionary=dictionary)
    found, _ = read(tmp_path)
    assert found.equals(expected())
    (first, *_) = batches(tmp_path, "passes", COLUMNS, FEED, Quarantine())
    assert len(first["site_id"].dictionary) == 7


def test_a_folder_of_parts_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    table, folder = sound(), tmp_path / "passes"
    folder.mkdir()
    (folder / "b.csv").write_text(as_csv(table.slice(50, 70)), encoding="gb18030")
    pq.write_table(table.slice(0, 50), folder / "a.parquet", row_group_size=20)
    (folder / "c.csv.gz").write_bytes(gzip.compress(as_csv(table.slice(120)).encode()))
    (folder / "notes.txt").write_text("not a part")
    assert read(tmp_path)[0].equals(expected())
    told = TableMap("checkpoint", "passes")
    cut = pieces(tmp_path, told)
    assert [(p.path.name, p.row_group) for p in cut] == [
        ("a.parquet", 0),
        ("a.parquet", 1),
        ("a.parquet", 2),
        ("b.csv", None),
        ("c.csv.gz", None),
    ]
    quarantine = Quarantine()
    rows = [b.num_rows for p in cut for b in read_piece(p, COLUMNS, told, quarantine)]
    assert rows == [20, 20, 10, 70, 80]
    whole = Quarantine()
    whole.add(quarantine)
    assert whole.rows_read_of("checkpoint") == 200


def test_a_table_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    pq.write_table(sound(), tmp_path / "passes.parquet")
    (tmp_path / "passes.csv").write_text(as_csv(sound()))
    with pytest.raises(DataRefused, match=r"more than once: passes\.parquet, passes\.csv"):
        read(tmp_path)


def test_an_absent_optional_column_is_empty(tmp_path: Path) -> None:
    pq.write_table(sound(5), tmp_path / "passes.parquet")
    (batch,) = batches(
        tmp_path, "passes", {"site_id": TEXT}, FEED, Quarantine(), optional={"status": TEXT}
    )
    assert batch.schema.names == ["site_id", "status"]
    assert batch["status"].null_count == 5


# --- damage ---------------------------------------------------------------------------------------


def test_damaged_lines_are_counted(tmp_path: Path) -> None:
    lines = as_csv(sound(8)).replace('"', "").encode().split(b"\n")
    lines[1] += b",more"
    lines[2] = b"too,few"
    lines[3] = b'"' + lines[3]
    lines[4] = lines[4].replace(b"\xe8", b"\xff")
    lines[5] = lines[5].replace(b"2026", b"year ")
    lines[6] = lines[6] + b"x"
    (tmp_path / "passes.csv").write_bytes(b"\n".join(lines))
    found, quarantine = read(tmp_path)
    assert found.num_rows == 2
    assert {r["reason"]: r["rows"] for r in quarantine.as_table().to_pylist()} == {
        "damaged_row": 3,
        "damaged_text": 1,
        "no_time": 1,
        "bad_value": 1,
    }


def bomb(filler: bytes, size: int = 20_000_000) -> bytes:
    head = b"site_id,time,plate,lane_idx,speed\n"
    return gzip.compress(head + filler * (size // len(filler)), 9)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "no line of column names|is empty"),
    "no header": (lambda: b"\n\n", "no line of column names"),
    "zip": (lambda: b"PK\x03\x04...", "is ZIP, not CSV"),
    "parquet": (lambda: b"PAR1...", "is Parquet, not CSV"),
    "utf-16": (lambda: as_csv(sound()).encode("utf-16"), "is UTF-16, not CSV"),
    "noise": (lambda: bytes(range(128, 256)) * 9, "is no text|has not the columns"),
    "zeros": (lambda: bytes(1000), "is no text"),
    "torn gzip": (lambda: gzip.compress(as_csv(sound()).encode())[:-99], "cannot be read"),
    "flipped gzip": (
        lambda: gzip.compress(as_csv(sound()).encode())[:-8] + b"12345678",
        "CRC check failed",
    ),
    "bomb of zeros": (lambda: bomb(b"\0"), "a line of more than 1 MiB|unpacks to more than"),
    "bomb of line ends": (lambda: bomb(b"\n"), "unpacks to more than 200 times"),
    "bomb of lines": (lambda: bomb(b"1,2\n"), "many lines with too few|unpacks to more than"),
    "long line": (
        lambda: b"site_id,time,plate,lane_idx,speed\n" + b"x" * 3_000_000,
        "a line of more than 1 MiB",
    ),
    "torn header": (lambda: b'site_id,"time\n1,2\n', "torn quotes"),
    "other parting": (lambda: as_csv(sound()).replace('","', "|").encode(), "is missing"),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_what_is_no_csv_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    content, said = REFUSED[kind]
    (tmp_path / "passes.csv").write_bytes(content())
    with pytest.raises(DataRefused, match=said) as refused:
        read(tmp_path)
    assert "\n" not in str(refused.value)
    assert refused.value.remedy


def test_a_parquet_bomb_is_refused(tmp_path: Path) -> None:
    many = pa.table(
        {"site_id": pa.DictionaryArray.from_arrays(np.zeros(3_000_000, np.int8), ["a"])}
    )
    pq.write_table(many, tmp_path / "passes.parquet")
    with pytest.raises(DataRefused, match="unpacks to far more"):
        read(tmp_path, {"site_id": TEXT})


def test_a_huge_text_in_a_dictionary_is_a_bad_value(tmp_path: Path) -> None:
    """A hundred megabytes a row, were it written out."""
    texts = pa.DictionaryArray.from_arrays(
        np.arange(50_000, dtype=np.int32) % 2, ["x" * 10**6, "a"]
    )
    pq.write_table(pa.table({"site_id": texts}), tmp_path / "passes.parquet")
    found, quarantine = read(tmp_path, {"site_id": TEXT})
    assert found.num_rows == quarantine.total == 25_000


def test_a_header_of_cells_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "passes.csv").write_text("K1,2026-03-02 07:00:00,A·12345,皖A·3K72B\n" * 3)
    with pytest.raises(DataRefused) as refused:
        read(tmp_path)
    assert not any(cell in str(refused.value) for cell in ("2026", "12345", "3K72B"))


@given(
    lines=st.lists(st.text(st.sampled_from('ab1,"\r 路\t;'), max_size=12), max_size=30),
    torn=st.sampled_from(["utf-8", "gb18030"]),
)
def test_every_line_is_a_row_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], torn: str
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    text = "site_id,plate\n" + "\n".join(lines)
    (folder / "passes.csv").write_bytes(text.encode(torn))
    quarantine = Quarantine()
    columns = {"site_id": TEXT, "plate": TEXT}
    used = sum(b.num_rows for b in batches(folder, "passes", columns, FEED, quarantine))
    ended = text.replace("\r\n", "\n").replace("\r", "\n")
    rows = sum(1 for line in ended.split("\n")[1:] if line)
    assert quarantine.rows_read_of("checkpoint") == rows == used + quarantine.total
