"""The options of `sealock projects settings`, and what each changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from sealock.core.errors import UsageError
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


def _count(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        option = f"--{name.replace('_', '-')}"
        raise UsageError(f"{option} {text!r} is no number", resolution="Give a number, or '' for none.")
    return int(text)
