"""Ask apt, in a directory of our own, which packages an image takes, and fetch them.

The host's configuration stays in force for the way to the archive (proxy, certificates, keys,
credentials); everything that apt would read or write about the host's own packages is turned to an
empty directory. So one look-up tells, in seconds, every package with its version and hash.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sealock.core.errors import PermanentError, TemporaryError
from sealock.core.image import Progress
from sealock.machines.image import command

ARCHITECTURE = "amd64"
_UNUSED_SECONDS = 14 * 86400
_HELPER = "/usr/lib/apt/apt-helper"
_URI_LINE = re.compile(r"'(?P<uri>[^']*)' (?P<file>\S+_\S+\.deb) (?P<size>\d+) ?(?P<hash>\S*)")

_CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::GzipIndexes "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "{home}";
Dir::State::lists "{home}/lists";
Dir::State::status "{home}/status";
Dir::State::extended_states "{home}/extended_states";
Dir::Cache "{home}/cache";
Dir::Cache::archives "{home}/empty";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{home}/build.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""


@dataclass(frozen=True, order=True)
class Package:
    """A package at one version. sha256: of its .deb, hexadecimal. size: bytes. file: its .deb's name."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    file: str


class Apt:
    """Apt in a directory of its own. Not to be used by two at once: its owner holds a lock."""

    def __init__(self, home: Path, sources: str) -> None:
        """home: the directory; what it holds may be reused. sources: the text of a `.sources` file."""
        self.home = home
        self.lists = home / "lists"
        self.archives = home / "archives"
        self.sources = home / "build.sources"
        self._configuration = home / "apt.conf"
        self._sources_text = sources

    def update(self) -> None:
        """Fetch the package lists. TemporaryError, with apt's words, if one cannot be had."""
        self._prepare()
        try:
            command.run([*self._get(), "--error-on=any", "update"], "fetching the package lists")
        except PermanentError as error:
            raise TemporaryError(
                error.brief, details=error.details, resolution="Check this host's network and apt sources."
            ) from error

    def bootstrap(self) -> set[str]:
        """The names every Debian root begins with: essential or required packages, and apt."""
        names = {"apt"}
        wanted = ["indextargets", "--format", "$(FILENAME)", "Created-By: Packages"]
        for index in command.output([*self._get(), *wanted], "listing the package lists").split():
            names |= set(_required(command.output([_HELPER, "cat-file", index], "reading a package list")))
        return names

    def resolve(self, names: Iterable[str]) -> list[Package]:
        """What installing these into an empty root brings, sorted by name. PermanentError with apt's
        words if a package is not there or they cannot be installed together."""
        asked = ["install", "-qq", "-y", "--no-install-recommends", "--print-uris", *sorted(names)]
        return self._packages(command.output([*self._get(), *asked], "resolving the image's packages"))

    def single(self, name: str) -> Package:
        """One package at its newest version, without what it depends on."""
        asked = ["download", "-qq", "--print-uris", name]
        return self._packages(command.output([*self._get(), *asked], f"looking for the package {name}"))[0]

    def depends(self, name: str, pattern: re.Pattern[str]) -> str:
        """The first direct dependency of `name` that `pattern` matches whole."""
        text = command.output([*self._cache(), "show", "--no-all-versions", name], f"looking for {name}")
        for stanza in _stanzas(text):
            for word in re.split(r"[\s,|()]+", stanza.get("Depends", "")):
                if pattern.fullmatch(word):
                    return word
        raise PermanentError(f"the package {name} depends on nothing like {pattern.pattern}")

    def fetch(self, packages: Sequence[Package], progress: Progress) -> None:
        """Have every .deb in `archives`, checked against its hash; what was not used for two weeks is
        removed there. TemporaryError if one cannot be had."""
        if not self._configuration.exists():
            self.update()
        absent = [package for package in packages if not self._have(package)]
        if absent:
            self._download(absent, progress)
        for package in absent:
            if not self._have(package):
                raise TemporaryError(f"the package {package.file} could not be fetched as it was listed")
        self._forget()

    def _prepare(self) -> None:
        # `empty` is apt's own archive directory: it names no address for a package it finds there.
        for directory in (
            self.lists / "partial",
            self.archives,
            self.home / "empty/partial",
            self.home / "cache",
        ):
            directory.mkdir(parents=True, exist_ok=True)
        (self.home / "status").write_bytes(b"")
        self.sources.write_text(self._sources_text, "utf-8")
        text = _CONFIGURATION.format(home=self.home, architecture=ARCHITECTURE)
        self._configuration.write_text(text, "utf-8")

    def _forget(self) -> None:
        for path in self.archives.glob("*.deb"):
            if path.stat().st_mtime < time.time() - _UNUSED_SECONDS:
                path.unlink()

    def _have(self, package: Package) -> bool:
        path = self.archives / package.file
        if path.is_file() and path.stat().st_size == package.size:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == package.sha256:
                    os.utime(path)
                    return True
        path.unlink(missing_ok=True)
        return False

    def _download(self, packages: Sequence[Package], progress: Progress) -> None:
        total = sum(package.size for package in packages) / 1e6
        progress(f"fetching {len(packages)} packages, {total:.0f} MB")
        incoming = self.home / "incoming"
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir()
        seen = 0

        def on_line(line: str) -> None:
            nonlocal seen
            if line.startswith("Get:"):
                seen += 1
                if seen % max(1, len(packages) // 10) == 0:
                    progress(f"fetching packages, {100 * seen // len(packages)} %")

        wanted = [f"{package.name}={package.version}" for package in packages]
        # `apt-get download` writes to the working directory.
        get = ["env", "-C", str(incoming), *self._get(), "download", *wanted]
        try:
            command.run(get, "fetching packages", on_line=on_line)
        except PermanentError as error:
            raise TemporaryError(
                error.brief, details=error.details, resolution="Run this again: the package lists may be old."
            ) from error
        for path in incoming.glob("*.deb"):
            path.replace(self.archives / path.name)
        incoming.rmdir()

    def _packages(self, uris: str) -> list[Package]:
        files = [match["file"] for line in uris.splitlines() if (match := _URI_LINE.match(line))]
        wanted = ["=".join(unquote(file).split("_")[:2]) for file in files]
        text = (
            command.output([*self._cache(), "show", *wanted], "reading the packages' hashes")
            if wanted
            else ""
        )
        shown = {(stanza["Package"], stanza["Version"]): stanza for stanza in _stanzas(text)}
        return sorted(package(shown, file) for file in files)

    def _get(self) -> list[str]:
        return ["apt-get", "-c", str(self._configuration)]

    def _cache(self) -> list[str]:
        return ["apt-cache", "-c", str(self._configuration)]


def package(shown: dict[tuple[str, str], dict[str, str]], file: str) -> Package:
    """The package of a .deb, named as apt names it. shown: the package list's entries by name and
    version. PermanentError if it is not among them, or without a hash."""
    name, version, rest = unquote(file).split("_")
    try:
        stanza = shown[name, version]
        return Package(name, version, rest.removesuffix(".deb"), stanza["SHA256"], int(stanza["Size"]), file)
    except KeyError as error:
        raise PermanentError(f"the package list tells no hash for {file}") from error


def _required(text: str) -> Iterable[str]:
    for stanza in text.split("\n\n"):
        if "\nEssential: yes" in stanza or "\nPriority: required" in stanza:
            yield stanza.removeprefix("Package: ").split("\n", 1)[0]


def _stanzas(text: str) -> Iterable[dict[str, str]]:
    for paragraph in text.strip().split("\n\n"):
        pairs = (line.split(": ", 1) for line in paragraph.splitlines() if not line.startswith(" "))
        fields = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
        if fields:
            yield fields
