"""An optional signature over a package's checksums: made by whoever holds the key.

Checksums and certificates tell damage and mistakes; a forger could compute them anew. With a key,
``signature.txt`` holds the HMAC-SHA-256 (RFC 2104) of ``checksums.txt``. It is symmetric on
purpose: one department makes and checks its packages itself, the standard library has all that is
needed, and the same package gets the same bytes. Whoever may check can therefore also sign; for
proof towards third parties, sign ``checksums.txt`` with a tool of their choice.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from traffic_brain.errors import ConfigurationError, DataRefused

SIGNATURE = "signature.txt"
KEY_BYTES = 32
_SCHEME = "hmac-sha256"


def read_key(path: Path) -> bytes:
    """The bytes of a key file, that its owner alone may read.

    Raises:
        ConfigurationError: it cannot be read, others can read it, or it is too short.
    """
    try:
        key, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(
            f"the key {path} cannot be read: {error.strerror}", "check --key"
        ) from error
    if mode & 0o077:
        raise ConfigurationError(f"others can read the key {path}", f"chmod 600 {path}")
    if len(key) < KEY_BYTES:
        raise ConfigurationError(
            f"the key {path} has {len(key)} bytes, not {KEY_BYTES}",
            f"make one with: head -c {KEY_BYTES} /dev/urandom > {path}",
        )
    return key


def sign(checksums: bytes, key: bytes) -> str:
    """The text of ``signature.txt`` for the bytes of ``checksums.txt``."""
    return f"{_SCHEME} {hmac.new(key, checksums, hashlib.sha256).hexdigest()}\n"


def check_signature(package: Path, key: bytes) -> None:
    """Make sure that a package was signed with this key, and not changed since.

    Raises:
        DataRefused: it was not.
    """
    path = package / SIGNATURE
    if not path.is_file():
        raise DataRefused(
            f"package {package} is not signed", "make it again with: traffic-brain package --key"
        )
    expected = sign((package / "checksums.txt").read_bytes(), key)
    if not hmac.compare_digest(path.read_bytes(), expected.encode()):
        raise DataRefused(
            f"package {package} was not signed with this key, or was changed since",
            "do not use it; ask where it comes from",
        )
