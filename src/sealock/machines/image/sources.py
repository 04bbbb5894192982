"""Where packages come from: what this host's own apt is configured with.

An operator has told apt once which mirror to use, through which proxy and with which keys. Images
follow that, so no archive is named here. The mirror of another suite is taken from the host's own
suite: Debian's archives hold all of them under one address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError

_CODENAME = re.compile(
    r"(?:bullseye|bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)"
    r"(?P<pocket>(?:-updates|-security|/updates)?)/?"
)
_OPTION = re.compile(r"\[(?P<options>[^\]]*)\]")
_MIRROR = re.compile(r"[a-z][a-z0-9+.-]*:[\x21-\x7e]+")
_FIELD = re.compile(r"(?P<name>[A-Za-z-]+):\s*(?P<value>.*)")


@dataclass(frozen=True)
class Entry:
    """One address and one suite of apt's sources. signed_by: as it stands there, "" if it does not."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""

    @property
    def security(self) -> bool:
        """Whether it is the archive of security updates."""
        return self.suite.endswith(("-security", "/updates"))


@dataclass(frozen=True)
class Sources:
    """The archives an image is built from. Both addresses are apt URIs."""

    suite: str
    archive: Entry
    security: Entry

    def deb822(self) -> str:
        """As the text of a `.sources` file."""
        pockets = [
            replace(self.archive, suite=f"{self.suite} {self.suite}-updates"),
            replace(self.security, suite=f"{self.suite}-security"),
        ]
        return "\n".join(_stanza(entry) for entry in pockets)


def of_host(
    suite: str, *, mirror: str | None = None, security_mirror: str | None = None, etc: Path = Path("/etc/apt")
) -> Sources:
    """The sources for `suite`: the operator's mirrors where given, else derived from the apt
    configuration in `etc`. PermanentError, naming the setting, if that has no Debian archive."""
    entries = [entry for entry in _read(etc) if _is_debian(entry)]
    archive = _choose(entries, suite, mirror, security=False)
    security = _choose(entries, suite, security_mirror, security=True)
    return Sources(suite, archive, security)


def _choose(entries: list[Entry], suite: str, mirror: str | None, *, security: bool) -> Entry:
    kind = [entry for entry in entries if entry.security == security]
    best = min(kind, key=lambda entry: _distance(entry, suite), default=None)
    if mirror is not None:
        if not _MIRROR.fullmatch(mirror):
            raise UsageError(f"{mirror!r} is not the address of an apt mirror")
        return Entry(mirror, suite, ("main",), best.signed_by if best else "")
    if best is None:
        name = "image_apt_security_mirror" if security else "image_apt_mirror"
        raise PermanentError(
            f"this host's apt has no Debian {'security ' if security else ''}archive to build images from",
            details="looked in /etc/apt/sources.list and /etc/apt/sources.list.d",
            resolution=f"Add one there, or set {name} in the settings to the address of a mirror.",
        )
    return replace(best, components=("main",))


def _distance(entry: Entry, suite: str) -> tuple[bool, bool, bool]:
    """Smaller is better: the suite itself, then Debian's usual path and keyring."""
    path = entry.uri.rstrip("/").rsplit("/", 1)[-1]
    return (
        not entry.suite.startswith(suite),
        not path.startswith("debian"),
        "debian-archive" not in entry.signed_by,
    )


def _is_debian(entry: Entry) -> bool:
    own_key = not entry.signed_by or "debian-archive" in entry.signed_by or "BEGIN PGP" in entry.signed_by
    return bool(_CODENAME.fullmatch(entry.suite)) and "main" in entry.components and own_key


def _read(etc: Path) -> Iterator[Entry]:
    parts = etc / "sources.list.d"
    files = [etc / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]
    for path in files:
        if path.is_file():
            text = path.read_text("utf-8", errors="replace")
            yield from one_line(text) if path.suffix == ".list" else deb822(text)


def one_line(text: str) -> Iterator[Entry]:
    """The `deb` entries of a sources.list. Lines that apt would not understand are passed over."""
    for line in text.splitlines():
        bare = line.split("#", 1)[0].strip()
        option = _OPTION.search(bare)
        words = _OPTION.sub(" ", bare).split()
        if len(words) < 4 or words[0] != "deb":
            continue
        yield Entry(words[1], words[2], tuple(words[3:]), _signed_by(option["options"] if option else ""))


def _signed_by(options: str) -> str:
    for option in options.split():
        name, _, value = option.partition("=")
        if name.lower() == "signed-by":
            return value.strip('"')
    return ""


def deb822(text: str) -> Iterator[Entry]:
    """The `deb` entries of a `.sources` file, one for each address and suite."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = _fields(paragraph.splitlines())
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                yield Entry(uri, suite, components, fields.get("signed-by", ""))


def _fields(lines: Iterable[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.startswith("#"):
            continue
        if line[:1].isspace() and name:
            fields[name] += "\n" + line
        elif match := _FIELD.match(line):
            name = match["name"].lower()
            fields[name] = match["value"].strip()
    return fields


def _stanza(entry: Entry) -> str:
    lines = ["Types: deb", f"URIs: {entry.uri}", f"Suites: {entry.suite}", "Components: main"]
    if entry.signed_by:
        lines.append(f"Signed-By: {entry.signed_by}")
    return "\n".join(lines) + "\n"
