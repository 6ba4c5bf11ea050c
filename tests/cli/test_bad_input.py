"""Bad input: one clear line, the right exit code, and earlier results as they were."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sim_scenarios.generated import GeneratedCity, build
from traffic_brain.cli import main
from traffic_brain.nightly.manifest import file_hashes

DAY = "2026-11-02"
USAGE, CONFIGURATION, REFUSED = 2, 3, 4


@dataclass(frozen=True)
class Earlier:
    """A world, and the folders that earlier commands have made of it."""

    world: Path
    folder: Path

    @property
    def net(self) -> Path:
        return self.world.with_name("city.net.xml")

    @property
    def city(self) -> Path:
        return self.folder / "city"

    @property
    def feeds(self) -> Path:
        return self.folder / "feeds" / DAY

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def results(self) -> dict[str, str]:
        return {k: v for k, v in file_hashes(self.folder).items() if k != "ledger.jsonl"}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Earlier:
    root = tmp_path_factory.mktemp("earlier")
    made = Earlier(build(GeneratedCity(rows=2, columns=2, duration_s=600), root / "w"), root / "r")
    for arguments in (
        ["world", "record", made.world, made.folder, "--day", DAY],
        ["network", "import", made.net, made.city],
        ["fuse", made.city, made.feeds, made.state],
    ):
        assert main([str(argument) for argument in arguments]) == 0
    return made


@pytest.fixture
def refused(earlier: Earlier, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail; returns what it said."""

    def run(code: int, *arguments: str | Path) -> str:
        before = earlier.results()
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == code
        out, err = capsys.readouterr()
        lines = [line for line in err.splitlines() if not line.endswith(": begins")]
        assert out == ""
        assert len(lines) == 1, err
        assert lines[0].startswith("traffic-brain: error: ")
        assert " — " in lines[0], "says not what to do"
        assert earlier.results() == before
        assert not [p for p in earlier.folder.rglob(".*") if p.name != ".lock"]
        return lines[0]

    return run


def day_copy(earlier: Earlier, folder: Path) -> Path:
    return Path(shutil.copytree(earlier.feeds, folder / DAY))


# --- networks --------------------------------------------------------------------------------


def test_a_truncated_network(earlier: Earlier, refused: Callable[..., str], tmp_path: Path) -> None:
    whole = earlier.net.read_bytes()
    for length in (0, len(whole) // 2, len(whole) - 20):
        torn = tmp_path / "torn.net.xml"
        torn.write_bytes(whole[:length])
        assert str(torn) in refused(REFUSED, "network", "import", torn, earlier.city)


def test_a_truncated_packed_network(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path
) -> None:
    packed = (earlier.city / "sumo" / "net.xml.gz").read_bytes()
    torn = tmp_path / "torn.net.xml.gz"
    torn.write_bytes(packed[: len(packed) // 2])
    assert str(torn) in refused(REFUSED, "network", "import", torn, earlier.city)


def test_a_network_that_is_not_there(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path
) -> None:
    refused(REFUSED, "network", "import", tmp_path / "no.net.xml", earlier.city)


def test_a_damaged_city_folder(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path
) -> None:
    city = Path(shutil.copytree(earlier.city, tmp_path / "city"))
    links = city / "links.parquet"
    links.write_bytes(links.read_bytes()[:100])
    refused(REFUSED, "fuse", city, earlier.feeds, earlier.state)


# --- feeds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("police/passes", "time"),
        ("police/counts", "count"),
        ("checkpoint/passes", "plate"),
        ("internet/speeds", "speed_kmh"),
    ],
)
def test_a_feed_with_a_wrong_column(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path, table: str, column: str
) -> None:
    feeds = day_copy(earlier, tmp_path)
    path = feeds / f"{table}.parquet"
    whole = pq.read_table(path)
    pq.write_table(
        whole.rename_columns([f"{n}_" if n == column else n for n in whole.column_names]), path
    )
    line = refused(REFUSED, "fuse", earlier.city, feeds, earlier.state)
    assert f"column {column} is missing" in line
    assert str(path) in line


def test_a_damaged_feed(earlier: Earlier, refused: Callable[..., str], tmp_path: Path) -> None:
    feeds = day_copy(earlier, tmp_path)
    path = feeds / "internet" / "speeds.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    assert str(path) in refused(REFUSED, "fuse", earlier.city, feeds, earlier.state)


def test_a_day_without_a_row(earlier: Earlier, refused: Callable[..., str], tmp_path: Path) -> None:
    feeds = day_copy(earlier, tmp_path)
    for path in feeds.rglob("*.parquet"):
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert DAY in refused(REFUSED, "fuse", earlier.city, feeds, earlier.state)


def test_a_day_without_a_file(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / DAY).mkdir()
    refused(REFUSED, "fuse", earlier.city, tmp_path / DAY, earlier.state)


def test_a_day_that_is_not_there(earlier: Earlier, refused: Callable[..., str]) -> None:
    missing = earlier.feeds.with_name("2026-11-03")
    line = refused(REFUSED, "fuse", earlier.city, missing, earlier.state)
    assert "2026-11-03" in line
    assert DAY in line, "tells not which day there is"


def test_a_folder_that_is_no_day(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path
) -> None:
    feeds = Path(shutil.copytree(earlier.feeds, tmp_path / "monday"))
    assert "monday" in refused(CONFIGURATION, "fuse", earlier.city, feeds, earlier.state)


# --- worlds ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace("city.net.xml", "gone.net.xml"),
        lambda text: text.replace("net-file", "nett-file"),
    ],
    ids=["torn", "empty", "names a missing file", "names no network"],
)
@pytest.mark.parametrize("command", ["nightly", "record"])
def test_a_damaged_configuration(
    earlier: Earlier,
    refused: Callable[..., str],
    tmp_path: Path,
    damage: Callable[[str], str],
    command: str,
) -> None:
    folder = Path(shutil.copytree(earlier.world.parent, tmp_path / "world"))
    world = folder / "city.sumocfg"
    world.write_text(damage(world.read_text("utf-8")), "utf-8")
    if command == "nightly":
        refused(REFUSED, "nightly", "--world", world, "--out", earlier.folder, "--day", DAY)
    else:
        refused(REFUSED, "world", "record", world, earlier.folder, "--day", DAY)


def test_a_world_with_a_torn_network(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(earlier.world.parent, tmp_path / "world"))
    net = folder / "city.net.xml"
    net.write_bytes(net.read_bytes()[:5000])
    line = refused(REFUSED, "nightly", "--world", folder / "city.sumocfg", "--out", earlier.folder)
    assert str(net) in line


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ("smal", "did you mean small"),
        ("atlantis", "traffic-brain scenarios"),
        ("no/such.sumocfg", "no such file"),
    ],
)
def test_an_unknown_world(
    earlier: Earlier, refused: Callable[..., str], world: str, words: str
) -> None:
    assert words in refused(CONFIGURATION, "nightly", "--world", world, "--out", earlier.folder)


# --- settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sede = 1\nwrold = 'small'", ["'sede' is unknown", "'wrold' is unknown", "known are"]),
        ("[check]\nseeds = 3\nscreen_seeds = 1.5", ["'seeds' is unknown", "screen_seeds = 1.5"]),
        ("[check]\nconfirm_seeds = 2", ["confirm_seeds must be at least 8"]),
        ("[optimize]\ncycles = [60]\nmax_candidates = true", ["'cycles'", "max_candidates = True"]),
        ("[optimize]\ncommon_cycles_s = [5]", ["[optimize]", "between 20 and 300 s"]),
        ("[refine]\ntries = -1\nfree_protections = true", ["[refine]", "tries must be"]),
        ("[refine]\nfree_protections = 1", ["free_protections = 1 is not true or false"]),
        ("[optimize]\nmax_changes = 3\n[refine]", ["not both"]),
        ("[defects]\nduplicates = 1", ["duplicates"]),
        ("seed = ", ["no TOML"]),
    ],
)
def test_wrong_settings(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path, text: str, words: list[str]
) -> None:
    config = tmp_path / "night.toml"
    config.write_text(text, encoding="utf-8")
    arguments = ("--config", config, "--world", "small", "--out", earlier.folder)
    line = refused(CONFIGURATION, "nightly", *arguments)
    assert [word for word in words if word not in line] == []


def test_a_date_that_does_not_exist(earlier: Earlier, refused: Callable[..., str]) -> None:
    refused(USAGE, "nightly", "--day", "2026-02-30", "--out", earlier.folder)


def test_a_target_that_is_somebody_elses(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("years of work")
    refused(CONFIGURATION, "network", "import", earlier.net, theirs)
    refused(CONFIGURATION, "fuse", earlier.city, earlier.feeds, earlier.city)
    assert (theirs / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_is_no_package(
    earlier: Earlier, refused: Callable[..., str], tmp_path: Path
) -> None:
    to_try = ("world", "evaluate", earlier.world, earlier.city, tmp_path / "result", "--seed", "5")
    assert "plans.json" in refused(REFUSED, *to_try)
    gone = ("world", "evaluate", earlier.world, tmp_path / "no", tmp_path / "r", "--seed", "5")
    assert "there is no" in refused(REFUSED, *gone)
