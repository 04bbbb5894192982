"""What the keeper adds to a build: a lease, the key of the fetch, three secrets of steps, the lease's end.

Asked of a keeper process of its own over its socket, each release flushed to the disk before it comes back.
Beside it: how fast sealing and opening are without a keeper between, many small values and the largest there
may be, the latter against the cipher underneath. What masking costs comes next in the table (`bench.logs`).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.rows import Row, row
from sealock.core.sealed import LONGEST_VALUE, Kind, Sealed
from sealock.core.secret import Secret
from sealock.keeper.client import KeeperClient
from sealock.keeper.keysets import KeySets
from sealock.keeper.sealing import seal
from tests.support.keeper import SSH_KEY, TOKEN, name_of, terms
from tests.support.keeper_process import key_sets_of, running_keeper, seal_for

BUILDS = 40
ROUNDS = 5
CALLS = 200
LARGE_CALLS = 20
SECRETS = (TOKEN, name_of(Kind.VARIABLE, "PASSWORD"), name_of(Kind.FILE, "config"))


def measure(_: list[Row]) -> list[Row]:
    """The rows of this part."""
    with tempfile.TemporaryDirectory() as place, running_keeper(Path(place)) as keeper:
        directory = Path(place)
        key = seal_for(directory, SSH_KEY, os.urandom(400))
        secrets = [seal_for(directory, name, os.urandom(40)) for name in SECRETS]
        # The first build pays for what is imported late; it is not one of those measured.
        added = [asyncio.run(_build(keeper.client(), f"b{n}", key, secrets)) for n in range(BUILDS + 1)][1:]
        sets = key_sets_of(directory)
        return [row("keeper_added_per_build", "ms", added), *_small(sets), *_large(sets)]


def _small(sets: KeySets) -> list[Row]:
    token = os.urandom(40)
    sealed = _seal(sets, token)
    return [
        row("seal", "per second", _rates(lambda: _seal(sets, token), CALLS)),
        row("open", "per second", _rates(lambda: _open(sets, sealed), CALLS)),
    ]


def _large(sets: KeySets) -> list[Row]:
    """Megabytes a second."""
    value = os.urandom(LONGEST_VALUE)
    sealed = _seal(sets, value)
    alone = row("cipher", "MB/s", _megabytes(lambda: _encrypt(value))).value
    rates = {
        "seal_largest": _megabytes(lambda: _seal(sets, value)),
        "open_largest": _megabytes(lambda: _open(sets, sealed)),
    }
    return [
        row(name, "MB/s", found, baseline=alone, against="AES-256-GCM alone") for name, found in rates.items()
    ]


async def _build(client: KeeperClient, build: str, key: Sealed, secrets: list[Sealed]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    async with client.lease(terms(build, secrets=SECRETS)) as lease:
        (await lease.open(key)).forget()
        for value in await lease.open_all(secrets, step="test:unit"):
            value.forget()
    return (time.perf_counter() - began) * 1000


def _seal(sets: KeySets, value: bytes) -> Sealed:
    with Secret(value) as secret:
        return seal(TOKEN, secret, sets.public_key(TOKEN.owner))


def _encrypt(value: bytes) -> None:
    AESGCM(os.urandom(32)).encrypt(bytes(12), value, None)


def _open(sets: KeySets, sealed: Sealed) -> None:
    sets.open(sealed).forget()


def _megabytes(call: Callable[[], object]) -> list[float]:
    """A second, of a call that goes through the largest value."""
    return [rate * LONGEST_VALUE / 1e6 for rate in _rates(call, LARGE_CALLS)]


def _rates(call: Callable[[], object], calls: int) -> list[float]:
    """Calls a second, of each round."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(calls):
            call()
        found.append(calls / (time.perf_counter() - began))
    return found
