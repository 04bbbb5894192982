"""What is made of a commit and of a tree as Git keeps them, and an empty repository that is Git's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sealock.builds.described import LONGEST_MESSAGE, described
from sealock.builds.placed import PROJECT, empty_repository, place
from sealock.core.errors import UsageError
from sealock.core.machine import MachineSpec
from sealock.core.tree import parse_raw_tree, plain_file
from sealock.machines.fake import FakeMachines

pytestmark = pytest.mark.anyio
COMMIT = "1f" * 20
HEAD = (
    b"tree "
    + b"2e" * 20
    + b"\nauthor Ada L. <ada@example.com> 1 +0000\ncommitter Eve <eve@example.com> 1 +0000"
)


def test_author_and_message_are_told() -> None:
    told = described(COMMIT, HEAD + b"\n\nCount\n\nauthor Mallory <m@example.com>\n")
    assert (told.author, told.message) == ("Ada L.", "Count\n\nauthor Mallory <m@example.com>")


def test_a_signature_is_no_message() -> None:
    told = described(COMMIT, HEAD + b"\ngpgsig -----BEGIN\n \n author Mallory\n -----END\n\nCount\n")
    assert (told.author, told.message) == ("Ada L.", "Count")


@pytest.mark.parametrize(
    ("encoding", "message", "told"),
    [
        (b"ISO-8859-1", b"caf\xe9", "café"),
        (b"no-such", "café".encode(), "café"),
        (b"hex", b"00", "00"),
        (b"\xff\xff", b"caf\xe9", "caf\ufffd"),
        (b"unicode_escape", b"\\ud800", "?"),
    ],
)
def test_whatever_encoding_it_names_what_is_told_is_unicode(
    encoding: bytes, message: bytes, told: str
) -> None:
    assert described(COMMIT, HEAD + b"\nencoding " + encoding + b"\n\n" + message).message == told


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"author", b"author \n\n", b"\xff" * 9000])
def test_a_commit_without_sense_says_nothing_wrong(raw: bytes) -> None:
    told = described(COMMIT, b"tree x\n" + raw + b"\n\n" + b"x" * 9000)
    assert len(told.message) <= LONGEST_MESSAGE
    told.author.encode(), told.message.encode()


def test_a_raw_tree_has_its_entries() -> None:
    data = b"".join(
        mode + b" " + name + b"\0" + bytes([number]) * 20
        for number, (mode, name) in enumerate(
            [(b"100644", b"a b"), (b"120000", b"link"), (b"40000", b"sub"), (b"160000", b"module")]
        )
    )
    entries = parse_raw_tree(data, 20)
    assert [(each.kind, each.path) for each in entries] == [
        ("blob", "a b"),
        ("blob", "link"),
        ("tree", "sub"),
        ("commit", "module"),
    ]
    assert plain_file(entries, "a b") == "00" * 20
    for name in ("link", "sub", "module"):
        with pytest.raises(UsageError):
            plain_file(entries, name)
    for cut in (data[:-1], data[:9]):
        with pytest.raises(ValueError):
            parse_raw_tree(cut, 20)


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
async def test_the_empty_repository_is_as_git_makes_it(tmp_path: Path, object_format: str) -> None:
    origin = 'ssh://git@git.example.com/a "b" \\c#;'
    async with FakeMachines(tmp_path).machine(MachineSpec("sha256:0")) as machine:
        await place(
            machine,
            {".ours": None, ".ours/x": "y", **empty_repository(object_format == "sha256", origin)},
            ".ours",
        )
        home = Path(machine.home)
        theirs = tmp_path / "theirs"
        _git(
            "-c",
            "init.defaultBranch=main",
            "init",
            "--quiet",
            "--template=",
            f"--object-format={object_format}",
            str(theirs),
        )
        _git("-C", str(theirs), "remote", "add", "origin", origin)
        ours = home / PROJECT
        assert _look(ours) == _look(theirs)
        assert _config(ours) == _config(theirs)
        assert (ours / ".git/HEAD").read_text() == (theirs / ".git/HEAD").read_text()
        assert [oct((home / name).stat().st_mode & 0o777) for name in (".ours", ".ours/x")] == [
            "0o700",
            "0o600",
        ]


def test_an_address_cannot_add_lines_to_the_configuration() -> None:
    with pytest.raises(ValueError, match="printed"):
        empty_repository(is_sha256=False, origin="x\n[core]\n\tsshCommand = touch owned")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def _look(tree: Path) -> dict[str, str]:
    return {str(path.relative_to(tree)): oct(path.stat().st_mode) for path in tree.rglob("*")}


def _config(tree: Path) -> list[str]:
    return sorted(_git("-C", str(tree), "config", "--local", "--list").splitlines())
