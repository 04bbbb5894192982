"""Which attempt at a build is meant: `--attempt N`, the latest where it is not given.

A build is tried again if its machine or its worker was lost. Each attempt has a log and a receipt of its own,
and was given secrets of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from sealock.cli.words import Found, name_of, number
from sealock.core.errors import UsageError

F = TypeVar("F", bound=Callable[..., object])

MOST = 1000

ATTEMPT: Callable[[F], F] = click.option(
    "--attempt",
    type=click.IntRange(1, MOST),
    metavar="N",
    help="Of this attempt, of a build that was tried again. Default: the latest.",
)


def had(build: Found, attempt: int | None) -> int | None:
    """The attempt, if the build had it; None stays None. UsageError if there was none such."""
    count = int(number(build, "attempt") or 0)
    if attempt is None or attempt <= count:
        return attempt
    tries = "was not tried yet" if count == 0 else f"was tried {'once' if count == 1 else f'{count} times'}"
    raise UsageError(
        f"There is no attempt {attempt} of {name_of(build)}: it {tries}",
        resolution="Leave --attempt out for the latest." if count else "Wait until it has begun.",
    )
