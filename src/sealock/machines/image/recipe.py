"""A recipe says what an image holds: a small TOML file, read strictly.

A recipe ends up running as root in a build host's chroot and in every machine of its kind, so an
unknown field, a path that leaves its place or a value of another type is refused at its line.
"""

from __future__ import annotations

import base64
import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sealock.core.errors import ConfigError, UsageError

SUITES = ("bookworm", "trixie")
SHIPPED = Path(__file__).resolve().parent.parent / "recipes"

_NAME = re.compile(r"[a-z](?:-?[a-z0-9]){0,39}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,99}")
_USER = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_MODE = re.compile(r"0?[0-7]{3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_BYTES = 1 << 20
_MOST_ITEMS = 1000

# Written by the builder or by a machine's own start: a recipe that set them would be overruled.
_OURS = ("/usr/lib/sealock", "/proc", "/sys", "/dev", "/run", "/tmp", "/boot")  # noqa: S108
_OUR_FILES = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/machine-id",
    "/etc/passwd",
    "/etc/shadow",
)


@dataclass(frozen=True)
class RecipeFile:
    """A file to put into the root, owned by root. path: absolute. mode: permission bits only."""

    path: str
    content: bytes
    mode: int


@dataclass(frozen=True)
class Recipe:
    """What an image holds. packages: sorted, without the ones every image has. commands: argument
    lists, run as root in the finished root, in order."""

    name: str
    suite: str = "bookworm"
    user: str = "build"
    packages: tuple[str, ...] = ()
    files: tuple[RecipeFile, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()

    def canonical(self) -> dict[str, Any]:
        """All of it as plain JSON values, for the image's digest."""
        return {
            "name": self.name,
            "suite": self.suite,
            "user": self.user,
            "packages": list(self.packages),
            "files": [[f.path, base64.b64encode(f.content).decode("ascii"), f.mode] for f in self.files],
            "commands": [list(command) for command in self.commands],
        }


@dataclass(frozen=True)
class _Source:
    """The text being read: finds where a key or value stands, for error messages."""

    file: str
    text: str
    directory: Path

    def error(self, needle: str, message: str, resolution: str = "") -> ConfigError:
        """An error where `needle` stands first, outside of comments: in quotes if it does anywhere;
        else at the first line."""
        lines = [line if not line.lstrip().startswith("#") else "" for line in self.text.splitlines()]
        for wanted in (f'"{needle}"', f"'{needle}'", needle):
            for number, line in enumerate(lines, start=1):
                column = line.find(wanted) if needle else -1
                if column >= 0:
                    return ConfigError(self.file, number, column + 1, message, resolution=resolution)
        return ConfigError(self.file, 1, 1, message, resolution=resolution)


def shipped() -> list[str]:
    """The names of the recipes that come with Sealock."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(recipe: str) -> Recipe:
    """Read a recipe: the name of a shipped one, or the path of a TOML file (it holds a `/` or ends in
    `.toml`). ConfigError at the line of a mistake, UsageError if there is no such recipe."""
    if "/" in recipe or recipe.endswith(".toml"):
        return parse(_read(Path(recipe)), Path(recipe))
    if recipe not in shipped():
        near = difflib.get_close_matches(recipe, shipped(), n=1)
        hint = f"Did you mean `{near[0]}`? " if near else ""
        raise UsageError(
            f"there is no recipe named {recipe!r}",
            resolution=f"{hint}Shipped are {', '.join(shipped())}; for your own, give its path.",
        )
    path = SHIPPED / f"{recipe}.toml"
    return parse(_read(path), path)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"the recipe {path} is larger than {_MOST_BYTES} bytes")
        return path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"the recipe {path} cannot be read", details=str(error)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the recipe {path} is not UTF-8 text", details=str(error)) from error


def parse(text: str, path: Path) -> Recipe:
    """A recipe from its text; `path` is named in errors and is where `source` files are looked for."""
    source = _Source(str(path), text, path.parent)
    data = _toml(source)
    _refuse_unknown(source, data, _FIELDS, "field")
    if "name" not in data:
        raise source.error("", "a recipe needs a `name`", 'Add a line such as name = "mine".')
    values = {key: _FIELDS[key](source, value) for key, value in data.items()}
    return Recipe(**values)


def _toml(source: _Source) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error))
        message, line, column = (place[1], int(place[2]), int(place[3])) if place else (str(error), 1, 1)
        raise ConfigError(source.file, line, column, f"this is not TOML: {message}") from error
    except RecursionError as error:
        raise ConfigError(source.file, 1, 1, "this is nested too deeply") from error


def _refuse_unknown(source: _Source, data: Mapping[str, Any], known: Mapping[str, Any], what: str) -> None:
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known are {', '.join(known)}."
            raise source.error(key, f"unknown {what} {key!r}", hint)


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[_Source, Any], str]:
    def read(source: _Source, value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise source.error(str(value), f"{value!r} is not {what}")
        return value

    return read


def _suite(source: _Source, value: Any) -> str:
    if value not in SUITES:
        near = difflib.get_close_matches(str(value), SUITES, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"Use one of {', '.join(SUITES)}."
        raise source.error(str(value), f"{value!r} is not a suite that images are built of", hint)
    return str(value)


def _user(source: _Source, value: Any) -> str:
    name = _matching(_USER, "a user name (lower case letters, digits, - and _)")(source, value)
    if name == "root":
        raise source.error("root", "a build's commands do not run as root", "Name an ordinary user.")
    return name


def _packages(source: _Source, value: Any) -> tuple[str, ...]:
    read = _matching(_PACKAGE, "the name of a Debian package")
    return tuple(sorted({read(source, item) for item in _list(source, "packages", value)}))


def _commands(source: _Source, value: Any) -> tuple[tuple[str, ...], ...]:
    return tuple(_command(source, item) for item in _list(source, "commands", value))


def _command(source: _Source, value: Any) -> tuple[str, ...]:
    good = isinstance(value, list) and value and all(isinstance(word, str) for word in value)
    if not good or not value[0] or any("\0" in word for word in value):
        raise source.error(
            "commands",
            f"{value!r} is not a command",
            'A command is a list of strings, such as ["npm", "install", "-g", "yarn"]; no shell reads it.',
        )
    return tuple(value)


def _list(source: _Source, key: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MOST_ITEMS:
        raise source.error(key, f"`{key}` must be a list of at most {_MOST_ITEMS} items")
    return value


def _files(source: _Source, value: Any) -> tuple[RecipeFile, ...]:
    if not isinstance(value, dict):
        raise source.error("files", "`files` must be a table", 'Write [files."/path/in/the/image"].')
    return tuple(_file(source, path, value[path]) for path in sorted(value))


def _file(source: _Source, path: str, value: Any) -> RecipeFile:
    _destination(source, path)
    if not isinstance(value, dict):
        raise source.error(path, f"the file {path} must be a table with `text` or `source`")
    _refuse_unknown(source, value, {"text": 0, "source": 0, "mode": 0}, "field of a file")
    if ("text" in value) == ("source" in value):
        raise source.error(path, f"the file {path} needs either `text` or `source`")
    mode = _matching(_MODE, 'a file mode such as "0644"')(source, value.get("mode", "0644"))
    content = _beside(source, value["source"]) if "source" in value else _text(source, value["text"])
    return RecipeFile(path, content, int(mode, 8))


def _destination(source: _Source, path: str) -> None:
    plain = path.startswith("/") and str(PurePosixPath(path)) == path and ".." not in path.split("/")
    if not plain or path == "/" or path.startswith("//") or _CONTROL.search(path):
        raise source.error(path, f"{path!r} is not a plain absolute path")
    if path in _OUR_FILES or any(path == ours or path.startswith(ours + "/") for ours in _OURS):
        raise source.error(path, f"{path} is written by Sealock itself")


def _text(source: _Source, value: Any) -> bytes:
    if not isinstance(value, str):
        raise source.error("text", f"`text` must be a string, not {value!r}")
    return value.encode("utf-8")


def _beside(source: _Source, value: Any) -> bytes:
    if not isinstance(value, str) or not value or "\0" in value:
        raise source.error("source", f"`source` must be a path beside the recipe, not {value!r}")
    home = source.directory.resolve()
    path = (home / value).resolve()
    if not path.is_relative_to(home):
        raise source.error(value, f"the source {value!r} lies outside of the recipe's directory")
    try:
        content = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise source.error(value, f"the source {value!r} cannot be read: {error.strerror}") from error
    if content is None or len(content) > _MOST_BYTES:
        raise source.error(value, f"the source {value!r} is not a file of at most {_MOST_BYTES} bytes")
    return content


_FIELDS: Mapping[str, Callable[[_Source, Any], Any]] = {
    "name": _matching(_NAME, "a recipe's name (lower case letters, digits and single hyphens)"),
    "suite": _suite,
    "user": _user,
    "packages": _packages,
    "files": _files,
    "commands": _commands,
}
