"""Reads the address of a Git repository, and takes nothing that could be read in two ways.

An address ends up as arguments of git and ssh and as lines of an ssh_config. Each part must match its
pattern from end to end; whatever is left over (option-like names, remote helpers, percent signs, a
password, a line break) is refused with a sentence of its own instead of being cleaned up.
"""

from __future__ import annotations

import ipaddress
import re

from sealock.core.errors import UsageError
from sealock.core.source import GitAddress
from sealock.providers.git.known_hosts import PUBLISHED

LONGEST = 1024
"""Characters."""

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_SEGMENT = re.compile(r"[A-Za-z0-9._~+=@,](?:[A-Za-z0-9._~+=@, -]*[A-Za-z0-9._~+=@,-])?")
_URL = re.compile(
    r"ssh://(?:(?P<user>[^@/]*)@)?(?P<host>\[[^\]/@]*\]|[^:/@\[\]]*)(?::(?P<port>[^/]*))?(?P<path>/.*|)"
)
_SCP = re.compile(r"(?:(?P<user>[^@:/]*)@)?(?P<host>\[[^\]/@]*\]|[^:/@\[\]]*):(?P<path>.*)")
_HOW = "Write it as git@host:owner/repository.git or ssh://git@host:port/owner/repository.git."


def parse(url: str) -> GitAddress:
    """The address of a repository reached over SSH: `ssh://[user@]host[:port]/path` or
    `[user@]host:path`; user `git` and port 22 if they are not given. UsageError for anything else."""
    _refuse_what_is_never_right(url)
    match = _match(url)
    user = match["user"]
    host = _host(match["host"], url)
    port = _port(match.groupdict().get("port"), url)
    path = _path(match["path"], url)
    return GitAddress(user=_user(user, url), host=host, port=port, path=_from_home(path, host))


def _refuse_what_is_never_right(url: str) -> None:
    if len(url) > LONGEST:
        raise _refused(url, f"it is longer than {LONGEST} characters")
    if not url.strip():
        raise _refused(url, "it is empty")
    if not url.isprintable():
        raise _refused(url, "it holds a line break or another character that cannot be printed")
    if url.startswith("-"):
        raise _refused(url, "it begins with `-`, as options do")
    if "%" in url:
        raise _refused(url, "percent-encoding is not read here", f"Write each character as it is. {_HOW}")
    if "\\" in url:
        raise _refused(url, "it holds a backslash")


def _match(url: str) -> re.Match[str]:
    scheme, separator, _ = url.partition("://")
    if separator and scheme != "ssh":
        raise _other_scheme(url, scheme)
    if re.match(r"[A-Za-z0-9+.-]*::", url):
        raise _refused(url, "a remote helper (`name::`) would run a program")
    match = (_URL if separator else _SCP).fullmatch(url)
    if match is None:
        raise _refused(url, "it is no address of a repository reached over SSH")
    return match


def _other_scheme(url: str, scheme: str) -> UsageError:
    if scheme == "file":
        return _refused(url, "`file://` is not fetched", "Give the directory's path itself.")
    if scheme in {"http", "https"}:
        how = f"A project has an SSH key of its own, so give the repository's SSH address. {_HOW}"
        return _refused(url, f"`{scheme}://` is not supported, SSH is", how)
    return _refused(url, f"`{scheme}://` is not supported, SSH is")


def _user(user: str | None, url: str) -> str:
    if user is None:
        return "git"
    if ":" in user:
        raise _refused(url, "it holds a password", "Leave the password out: the project's SSH key is used.")
    if not _USER.fullmatch(user):
        raise _refused(url, "the part before `@` is no user name")
    return user


def _host(host: str, url: str) -> str:
    if not host:
        raise _refused(url, "the host is missing")
    if host.startswith("-"):
        raise _refused(url, "the host begins with `-`, as options do")
    if host.startswith("["):
        return _address_of_version_6(host, url)
    if not host.isascii():
        raise _refused(url, "the host has letters outside ASCII", "Write its name in punycode (xn--…).")
    return _name_or_address_of_version_4(host.lower(), url)


def _address_of_version_6(host: str, url: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host[1:-1]))
    except ValueError as error:
        raise _refused(url, "what stands in brackets is no IPv6 address") from error


def _name_or_address_of_version_4(host: str, url: str) -> str:
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused(url, "the host is no DNS name")
    # The resolver of the C library also takes 127.1, 0x7f.1 and 2130706433 for addresses.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise _refused(url, "the host is neither a DNS name nor an IPv4 address") from error
    return host


def _port(port: str | None, url: str) -> int:
    if port is None:
        return 22
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise _refused(url, "the port is no number from 1 to 65535")
    return int(port)


def _path(path: str, url: str) -> str:
    """Checked, with a leading slash where there was one, without a trailing one."""
    if not path.strip("/"):
        raise _refused(url, "the repository's path is missing")
    inner = path.removeprefix("/").removesuffix("/")
    for segment in inner.split("/"):
        if not segment:
            raise _refused(url, "the path holds `//`")
        if segment in {".", ".."}:
            raise _refused(url, f"the path holds `{segment}`")
        if segment.startswith("-"):
            raise _refused(url, "a part of the path begins with `-`, as options do")
        if not _SEGMENT.fullmatch(segment):
            raise _refused(url, f"`{segment}` is no part of a repository's path")
    return f"/{inner}" if path.startswith("/") else inner


def _from_home(path: str, host: str) -> str:
    """`/~/x` and `~/x` begin where `x` does. The published hosts know no root: there, with and without
    a leading slash is the same repository."""
    for home in ("/~/", "~/"):
        if path.startswith(home):
            return path.removeprefix(home)
    return path.removeprefix("/") if host in PUBLISHED else path


def _refused(url: str, why: str, resolution: str = _HOW) -> UsageError:
    shown = url if len(url) <= 200 else url[:200] + "…"
    return UsageError(f"{shown!r} is refused: {why}", resolution=resolution)
