"""Passwords as scrypt hashes: memory-hard, in Python's own library.

Parameters: N = 2^15, r = 8, p = 1, 32 MiB for each check (OWASP's list has this row with p = 3; a
check takes a tenth of a second here). Two checks run at a time, so that whoever guesses
passwords in parallel cannot take the server's memory.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from threading import BoundedSemaphore

from traffic_brain.errors import ConfigurationError

SHORTEST = 10
LONGEST = 200
_COST, _BLOCK, _LANES = 2**15, 8, 1
_MEMORY = 64 * 1024 * 1024
_at_a_time = BoundedSemaphore(2)


def hashed(password: str) -> str:
    """``salt:hash`` of a new password.

    Raises:
        ConfigurationError: it is too short, or absurdly long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ConfigurationError(
            f"a password has {SHORTEST} to {LONGEST} letters", "choose a longer one, such as words"
        )
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{_scrypt(password, salt).hex()}"


def matches(password: str, stored: str) -> bool:
    """Whether a password is the stored one; takes as long if not."""
    salt, _, expected = stored.partition(":")
    if len(password) > LONGEST:
        return False
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), expected)


NOBODYS = f"{'00' * 16}:{'00' * 64}"
"""What is compared for a name that is unknown, so that the time does not tell."""


def _scrypt(password: str, salt: bytes) -> bytes:
    with _at_a_time:
        return hashlib.scrypt(
            password.encode("utf-8", "surrogatepass"),
            salt=salt,
            n=_COST,
            r=_BLOCK,
            p=_LANES,
            maxmem=_MEMORY,
        )
