"""Passwords: the right one opens, nothing else, at a bounded cost."""

from __future__ import annotations

import asyncio
import threading
import time
from statistics import median
from typing import Literal

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from sealock.access.passwords import LONGEST, Passwords
from sealock.core.errors import TemporaryError, UsageError
from sealock.core.secret import Secret

pytestmark = pytest.mark.anyio
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
RIGHT = Secret("correct horse battery staple é".encode())


async def test_the_right_password_opens_and_no_other() -> None:
    passwords = Passwords(QUICK)
    encoded = await passwords.hash(RIGHT)
    assert encoded.startswith("$argon2id$") and b"horse" not in encoded.encode()
    assert encoded != await passwords.hash(RIGHT), "the same password twice must not look the same"
    assert await passwords.matches(encoded, RIGHT)
    wrong = ("", "correct horse battery stapl", "Correct horse battery staple é", "\x00", "x" * 5000)
    assert not any([await passwords.matches(encoded, Secret(text.encode())) for text in wrong])


async def test_an_accent_is_the_same_however_the_keyboard_sends_it() -> None:
    passwords = Passwords(QUICK)
    encoded = await passwords.hash(RIGHT)
    assert await passwords.matches(encoded, Secret("correct horse battery staple e\u0301".encode()))


async def test_nobody_has_no_password_and_a_broken_hash_opens_nothing() -> None:
    passwords = Passwords(QUICK)
    for encoded in (None, "", "plain", RIGHT.reveal().decode(), "$argon2id$v=19$m=64,t=1,p=1$AAAA$AAAA"):
        assert not await passwords.matches(encoded, RIGHT)


@pytest.mark.parametrize("text", ["", "short", "x" * 11, "x" * (LONGEST + 1)], ids=len)
async def test_a_password_nobody_should_have_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        await Passwords(QUICK).hash(Secret(text.encode()))


async def test_somebody_unknown_takes_as_long_as_somebody_known() -> None:
    """The attack: to learn by the time it takes which addresses have an account."""
    passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=8192, parallelism=1))
    encoded = await passwords.hash(RIGHT)
    wrong, seconds = Secret(b"not the right one at all"), {None: list[float](), encoded: list[float]()}
    for _ in range(15):
        for who, measured in seconds.items():
            begun = time.process_time()  # of all threads; wall time is also others'
            await passwords.matches(who, wrong)
            measured.append(time.process_time() - begun)
    unknown, known = median(seconds[None]), median(seconds[encoded])
    assert 0.5 < unknown / known < 2, f"{unknown:.4f} s against {known:.4f} s"


class Watched(PasswordHasher):
    """Counts how many threads are hashing."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.now = self.most = 0
        self._lock = threading.Lock()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        with self._lock:
            self.now -= 1
        return super().verify(hash, password)


async def test_only_a_few_are_hashed_at_once_and_a_crowd_is_turned_away() -> None:
    """The attack: to fill the memory with sign-ins."""
    hasher = Watched()
    passwords = Passwords(hasher, at_once=2, waiting=3)
    crowd = [passwords.matches(None, RIGHT) for _ in range(12)]
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert hasher.most == 2
    assert sum(isinstance(answer, TemporaryError) for answer in answers) == 7
    assert not await passwords.matches(None, RIGHT), "there is room again afterwards"


async def test_a_hash_of_less_work_is_outdated() -> None:
    assert Passwords(PasswordHasher()).outdated(await Passwords(QUICK).hash(RIGHT))
    assert not Passwords(QUICK).outdated(await Passwords(QUICK).hash(RIGHT))


async def test_what_is_usual_is_work_for_who_steals_the_hashes() -> None:
    """The second choice of RFC 9106 is the least: three passes over 64 MiB."""
    used = extract_parameters(await Passwords().hash(RIGHT))
    assert used.type is Type.ID
    assert used.memory_cost >= 64 * 1024 and used.time_cost >= 3  # in KiB
    assert used.salt_len >= 16 and used.hash_len >= 32
