"""Recipes: what is read, and every mistake at its line with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.errors import ConfigError, UsageError
from sealock.machines.image import recipe
from sealock.machines.image.recipe import RecipeFile

WHOLE = """\
# A comment that says packages and files.
name = "mine"
suite = "trixie"
user = "worker"
packages = ["zsh", "git", "zsh"]
commands = [["npm", "install", "--global", "yarn"], ["touch", "/x y"]]

[files."/etc/motd"]
text = "hello"

[files."/usr/local/bin/tool"]
source = "tool.sh"
mode = "0755"
"""

MISTAKES = [
    ("name = ", 1, "this is not TOML"),
    ("packages = []", 1, "needs a `name`"),
    ('name = "a"\npackage = []', 2, "unknown field 'package'"),
    ('name = "a"\nextra = 1', 2, "unknown field 'extra'"),
    ('name = "A b"', 1, "is not a recipe's name"),
    ('name = "a-"', 1, "is not a recipe's name"),
    ('name = "../a"', 1, "is not a recipe's name"),
    ("name = 7", 1, "7 is not a recipe's name"),
    ('name = "a"\nsuite = "bookwurm"', 2, "'bookwurm' is not a suite"),
    ('name = "a"\nsuite = []', 2, "is not a suite"),
    ('name = "a"\nuser = "root"', 2, "do not run as root"),
    ('name = "a"\nuser = "x y"', 2, "is not a user name"),
    ('name = "a"\nuser = "-x"', 2, "is not a user name"),
    ('name = "a"\npackages = "git"', 2, "`packages` must be a list"),
    ('name = "a"\npackages = ["git", "-o"]', 2, "'-o' is not the name of a Debian package"),
    ('name = "a"\npackages = ["git,vim"]', 2, "'git,vim' is not the name"),
    ('name = "a"\npackages = [1]', 2, "1 is not the name"),
    ('name = "a"\ncommands = ["echo hi"]', 2, "'echo hi' is not a command"),
    ('name = "a"\ncommands = [[]]', 2, "[] is not a command"),
    ('name = "a"\ncommands = [[""]]', 2, "is not a command"),
    ('name = "a"\ncommands = [["a\\u0000b"]]', 2, "is not a command"),
    ('name = "a"\ncommands = [["a", 1]]', 2, "is not a command"),
    ('name = "a"\nfiles = []', 2, "`files` must be a table"),
    ('name = "a"\n[files]\n"/a" = "text"', 3, "must be a table"),
    ('name = "a"\n[files."/a"]', 2, "either `text` or `source`"),
    ('name = "a"\n[files."/a"]\ntext = ""\nsource = "tool.sh"', 2, "either `text` or `source`"),
    ('name = "a"\n[files."/a"]\ntext = ""\nmod = "0644"', 4, "unknown field of a file 'mod'"),
    ('name = "a"\n[files."/a"]\ntext = 1', 3, "`text` must be a string"),
    ('name = "a"\n[files."/a"]\ntext = ""\nmode = "4755"', 4, "'4755' is not a file mode"),
    ('name = "a"\n[files."/a"]\ntext = ""\nmode = 644', 4, "644 is not a file mode"),
    ('name = "a"\n[files."etc/a"]\ntext = ""', 2, "is not a plain absolute path"),
    ('name = "a"\n[files."/a/../b"]\ntext = ""', 2, "is not a plain absolute path"),
    ('name = "a"\n[files."//a"]\ntext = ""', 2, "is not a plain absolute path"),
    ('name = "a"\n[files."/a/"]\ntext = ""', 2, "is not a plain absolute path"),
    ('name = "a"\n[files."/"]\ntext = ""', 2, "is not a plain absolute path"),
    ('name = "a"\n[files."/a\\nb"]\ntext = ""', 1, "is not a plain absolute path"),
    ('name = "a"\n[files."/usr/lib/sealock/start"]\ntext = ""', 2, "written by Sealock itself"),
    ('name = "a"\n[files."/etc/passwd"]\ntext = ""', 2, "written by Sealock itself"),
    ('name = "a"\n[files."/a"]\nsource = "../outside"', 3, "lies outside"),
    ('name = "a"\n[files."/a"]\nsource = "/etc/passwd"', 3, "lies outside"),
    ('name = "a"\n[files."/a"]\nsource = "link"', 3, "lies outside"),
    ('name = "a"\n[files."/a"]\nsource = "missing"', 3, "is not a file"),
    ('name = "a"\n[files."/a"]\nsource = "."', 3, "is not a file"),
    ('name = "a"\n[files."/a"]\nsource = ""', 3, "must be a path beside the recipe"),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a recipe's neighbours; the recipe itself is not written."""
    (tmp_path / "tool.sh").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "link").symlink_to("/etc/passwd")
    return tmp_path / "mine.toml"


def test_a_whole_recipe_is_read(place: Path) -> None:
    read = recipe.parse(WHOLE, place)
    assert (read.name, read.suite, read.user) == ("mine", "trixie", "worker")
    assert read.packages == ("git", "zsh")
    assert read.commands == (("npm", "install", "--global", "yarn"), ("touch", "/x y"))
    assert read.files == (
        RecipeFile("/etc/motd", b"hello", 0o644),
        RecipeFile("/usr/local/bin/tool", b"#!/bin/sh\n", 0o755),
    )


@pytest.mark.parametrize(("text", "line", "message"), MISTAKES)
def test_a_mistake_is_told_at_its_line(place: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recipe.parse(text, place)
    assert message in caught.value.message
    assert caught.value.line == line
    assert caught.value.brief.startswith(f"{place}:{line}:")


def test_a_suggestion_is_made(place: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean `packages`") as caught:
        recipe.parse('name = "a"\npackage = []', place)
    assert caught.value.resolution == "Did you mean `packages`?"


def test_a_recipe_nested_without_end_is_refused(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"not TOML|too deeply"):
        recipe.parse("name = " + "[" * 100_000, place)


@pytest.mark.parametrize("name", ["base", "python"])
def test_shipped_recipes_can_be_loaded(name: str) -> None:
    assert recipe.load(name).name == name
    assert name in recipe.shipped()


def test_the_default_recipe_holds_what_it_promises() -> None:
    promised = {"python3", "python3-venv", "python3-pip", "python3-pytest", "make", "curl", "nodejs", "npm"}
    assert promised | {"build-essential"} <= set(recipe.load("python").packages)
    assert set(recipe.load("base").packages) <= set(recipe.load("python").packages)


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="Did you mean `python`"):
        recipe.load("pyton")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        recipe.load(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(UsageError, match="not UTF-8"):
        recipe.load(str(tmp_path / "latin.toml"))
    (tmp_path / "huge.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(UsageError, match="larger than"):
        recipe.load(str(tmp_path / "huge.toml"))
