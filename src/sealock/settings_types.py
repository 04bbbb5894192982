"""What the values of settings are made of: places, lists, hosts, each checked where it is read."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from sealock.core.log_retention import MOST_DAYS

_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


def _absolute(path: Path) -> Path:
    if not path.expanduser().is_absolute():
        raise ValueError("must be an absolute path")
    return path.expanduser()


def _file(path: Path) -> Path:
    if not _absolute(path).is_file():
        raise ValueError("there is no such file")
    return path.expanduser()


def _split(value: object) -> object:
    """A list in the environment is written with commas."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _destination(value: str) -> str:
    """A host name, an address or a range; a range with host bits set is a slip and refused."""
    if _HOST_NAME.fullmatch(value) and not re.fullmatch(r"[0-9.]+", value):
        return value.lower()
    return str(ip_network(value))


def _branch(value: str) -> str:
    if not value or not value.isprintable() or any(letter in value for letter in " ~^:?*[\\"):
        raise ValueError("is not a branch's name")
    return value


def _days(value: object) -> object:
    """`forever` in words is 0."""
    return 0 if value == "forever" else value


def _host_and_port(value: str) -> str:
    """A port of 0 would be another one each time."""
    if not re.fullmatch(r"[^\s:]+:[1-9][0-9]{0,4}", value) or int(value.rpartition(":")[2]) > 65535:
        raise ValueError("must be HOST:PORT, with a port from 1 to 65535")
    return value


Place = Annotated[Path, AfterValidator(_absolute)]
ExistingFile = Annotated[Path, AfterValidator(_file)]
Names = Annotated[tuple[Annotated[str, AfterValidator(_destination)], ...], BeforeValidator(_split)]
KeptDays = Annotated[int, BeforeValidator(_days), Field(ge=0, le=MOST_DAYS)]
HostAndPort = Annotated[str, AfterValidator(_host_and_port)]

Branches = Annotated[tuple[Annotated[str, AfterValidator(_branch)], ...], BeforeValidator(_split)]
