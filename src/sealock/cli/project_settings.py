"""The options of `sealock projects settings`, and what each changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from sealock.cli.words import Found, number
from sealock.core.errors import UsageError
from sealock.core.log_retention import FOR_EVER
from sealock.core.queue import HIGHEST_PRIORITY, LOWEST_PRIORITY, Supersede

F = TypeVar("F", bound=Callable[..., object])

SETTINGS = (
    "default_branch",
    "protected",
    "image",
    "supersede",
    "max_running",
    "priority",
    "labels",
    "one_at_a_time",
    "keep_logs",
)
"""As the API names them."""

_OPTIONS = (
    click.option("--default-branch", metavar="NAME", help="What is built when nothing else is named."),
    click.option(
        "--protected", metavar="NAMES", help="Branches whose builds may have protected secrets: a,b."
    ),
    click.option("--image", metavar="NAME", help="Image of builds that name none."),
    click.option(
        "--supersede",
        type=click.Choice([one.value for one in Supersede]),
        help="Which older builds of a branch a newer commit ends.",
    ),
    click.option("--max-running", metavar="N", help="Builds at once; '' for the account's limit."),
    click.option(
        "--priority",
        type=click.IntRange(LOWEST_PRIORITY, HIGHEST_PRIORITY),
        help="Among the account's builds, higher first.",
    ),
    click.option("--labels", metavar="NAMES", help="Labels a worker must have: a,b."),
    click.option(
        "--one-at-a-time", metavar="NAMES", help="Branches whose builds run one after the other: a,b."
    ),
    click.option(
        "--keep-logs",
        metavar="DAYS",
        help="After a build's end, until its log is destroyed; '' for what the installation says.",
    ),
)


OPTIONS = {name: f"--{name.replace('_', '-')}" for name in SETTINGS}
"""The option of each."""


def setting_options(command: F) -> F:
    """Give a command the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def changes(given: Mapping[str, Any]) -> dict[str, object]:
    """The API's fields for those options that were given."""
    body = {name: value for name, value in given.items() if value is not None}
    for name in ("protected", "labels", "one_at_a_time"):
        if name in body:
            body[name] = [one.strip() for one in body[name].split(",") if one.strip()]
    for name in ("max_running", "keep_logs"):
        if name in body:
            body[name] = _count(name, body[name])
    return body


def default_words(name: str, site: Found) -> str:
    """What holds where a project has nothing of its own; `-` where nothing does. site: what the API says of
    the installation."""
    if name == "max_running":
        return "as the account has it"
    if name not in ("image", "keep_logs", "protected"):
        return "-"
    days = number(site, "keep_logs") if name == "keep_logs" else None
    value = "" if days is None else " (for ever)" if days == FOR_EVER else f" ({days:.0f} days)"
    return f"as the installation has it{value}"


@contextmanager
def options_named(names: Mapping[str, str]) -> Iterator[None]:
    """In a UsageError of the block, name options and arguments where the server names its own fields."""
    try:
        yield
    except UsageError as error:
        error.details = re.sub(r"(?m)^(\w+):", lambda of: f"{names.get(of[1], of[1])}:", error.details)
        raise


def _count(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(
            f"{OPTIONS[name]} {text!r} is no number", resolution="Give a number, or '' for none."
        )
    return int(text)
