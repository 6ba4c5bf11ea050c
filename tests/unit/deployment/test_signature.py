"""The optional signature: what a forger who mends every checksum cannot make."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.deployment.decided import Decided, by
from tests.unit.test_package import FORGERIES
from traffic_brain.deployment.approval import approve, reject
from traffic_brain.deployment.package import build
from traffic_brain.deployment.rollback import roll_back
from traffic_brain.deployment.signature import check_signature, read_key, sign
from traffic_brain.deployment.store import open_store
from traffic_brain.deployment.verify import verify
from traffic_brain.errors import ConfigurationError, DataRefused

KEY, OTHER_KEY = bytes(range(32)), bytes(32)


@pytest.fixture
def signed(night: Decided) -> Path:
    folder = night.root / "signed"
    folder.mkdir()
    build(*night.folders[:-1], folder, key=KEY)
    return folder


def test_a_signature_changes_nothing_else(night: Decided, signed: Path) -> None:
    files = {path.name: path.read_bytes() for path in signed.iterdir()}
    del files["signature.txt"]
    assert files == {path.name: path.read_bytes() for path in night.package.iterdir()}
    check_signature(signed, KEY)
    assert verify(signed).plan_count == 1


def test_the_signature_is_rfc_2104s() -> None:
    """RFC 4231, test case 2."""
    assert sign(b"what do ya want for nothing?", b"Jefe") == (
        "hmac-sha256 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\n"
    )


def test_what_another_has_signed_or_nobody_is_refused(night: Decided, signed: Path) -> None:
    with pytest.raises(DataRefused, match="was not signed with this key"):
        check_signature(signed, OTHER_KEY)
    with pytest.raises(DataRefused, match="is not signed"):
        check_signature(night.package, KEY)


def test_a_forger_who_mends_the_checksums_is_found_out(night: Decided, signed: Path) -> None:
    """The reason that the verdict gives is in no certificate, only in the checksums."""
    night.package = signed
    FORGERIES["another safety standard"](night)
    with pytest.raises(DataRefused, match="or was changed since"):
        check_signature(signed, KEY)


def test_decisions_with_a_key_ask_for_the_signature(night: Decided, signed: Path) -> None:
    with closing(open_store(str(night.root / "decisions.sqlite"))) as store:
        for key, package in ((OTHER_KEY, signed), (KEY, night.package)):
            with pytest.raises(DataRefused, match="sign"):
                approve(store, package, night.city, night.state, by(), key)
            with pytest.raises(DataRefused, match="sign"):
                reject(store, package, by(), key)
        approve(store, signed, night.city, night.state, by(), KEY)
        back = night.root / "back"
        roll_back(store, signed, back, by(), key=KEY)
        check_signature(back, KEY)


def test_a_key_that_others_can_read_or_that_is_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_key(path)
    path.write_bytes(KEY)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match=r"others can read the key .* — chmod 600"):
        read_key(path)
    path.chmod(0o600)
    assert read_key(path) == KEY
    path.write_bytes(b"secret")
    with pytest.raises(ConfigurationError, match="has 6 bytes, not 32") as refused:
        read_key(path)
    assert "secret" not in str(refused.value)
