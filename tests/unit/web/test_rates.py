"""Who is counted with whom, and when it is too often."""

from __future__ import annotations

import pytest

from sealock.core.decision import Allowed
from sealock.web.rates import Rate, Rates, TooOften, place_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("local", "local"),
    ],
)
def test_what_counts_as_one_place(address: str, place: str) -> None:
    assert place_of(address) == place


async def test_too_often_from_one_place() -> None:
    rates, rate = Rates(), Rate("a", "3/minute")
    assert [bool(await rates.count(rate, "192.0.2.1")) for _ in range(4)] == [True, True, True, False]
    assert await rates.count(rate, "192.0.2.2") == Allowed()
    assert await rates.count(Rate("b", "3/minute"), "192.0.2.1") == Allowed()
    refused = await rates.count(rate, "192.0.2.1")
    assert isinstance(refused, TooOften) and 0 < refused.retry_after <= 61


async def test_who_has_a_network_has_one_count() -> None:
    """The attack: to take another of one's 2^64 addresses for each try."""
    rates, rate = Rates(), Rate("a", "3/minute")
    answers = [bool(await rates.count(rate, f"2001:db8::{number:x}")) for number in range(10)]
    assert sum(answers) == 3


async def test_guessing_at_one_account_and_at_many() -> None:
    rates, rate = Rates(), Rate("sign-in", "6/minute", "2/minute")
    same = [bool(await rates.count(rate, "192.0.2.1", "ada")) for _ in range(4)]
    assert same == [True, True, False, False]
    many = [bool(await rates.count(rate, "192.0.2.1", f"person {n}")) for n in range(4)]
    assert many == [True, True, False, False], "the place was used up by its tries at all accounts"


async def test_a_stranger_locks_nobody_out() -> None:
    """The attack: to fail at somebody's account from elsewhere until they cannot sign in."""
    rates, rate = Rates(), Rate("sign-in", "6/minute", "2/minute")
    for _ in range(20):
        await rates.count(rate, "203.0.113.9", "ada")
    assert await rates.count(rate, "192.0.2.1", "ada")


async def test_account_names_are_any_text() -> None:
    rates, rate = Rates(), Rate("sign-in", "6/minute", "2/minute")
    for name in ("\udcff", "x" * 100_000, "a/b:c"):
        assert await rates.count(rate, "192.0.2.1", name)
