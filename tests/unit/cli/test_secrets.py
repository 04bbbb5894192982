"""`sealock secrets`: values come in by every allowed way, and none ever comes out again."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.project import Project, owner_of, ssh_key_name
from sealock.core.scope import Scope, disclose
from sealock.core.sealed import Kind, Owner, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.core.source import GitAddress, GitOrigin
from sealock.keeper.seal_secret import ValueSealer
from sealock.store.sealed import SealedFiles
from tests.support.keeper import key_sets
from tests.support.run import FakeProjects

Sealock = Callable[..., tuple[int, str, str]]
ID = "0" * 32
ORIGIN = GitOrigin(GitAddress("git", "h", 22, "a"), ())
VALUE = b"a value with \"quotes'\n and \xff bytes"


class SecretTools:
    """What these commands ask for, over real key sets and files."""

    def __init__(self, root: Path) -> None:
        self.sets = key_sets(root)
        key = Sealed(ssh_key_name(ID, "shop", 1), 1, "none", b"", 0.0)
        self.kept = FakeProjects([Project(ID, "shop", ORIGIN.address, (), "p", key, 0.0)])
        self.values = SealedFiles(root / "sealed")

    def projects(self) -> FakeProjects:
        return self.kept

    def sealed_values(self) -> SealedFiles:
        return self.values

    def secret_sealer(self) -> ValueSealer:
        return ValueSealer(self.sets, self.values)

    def opened(self, name: str, kind: Kind = Kind.VARIABLE) -> tuple[Scope, bytes]:
        sealed = self.values.get(owner_of(ID), kind, name)
        assert sealed is not None
        scope, value = disclose(self.sets.open(sealed))
        return scope, value.reveal()


@pytest.fixture
def tools(tmp_path: Path) -> SecretTools:
    return SecretTools(tmp_path)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Puts bytes on standard input."""

    def put(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


def test_a_value_from_standard_input_is_kept_to_the_byte(
    sealock: Sealock, tools: SecretTools, typed: Callable[[bytes], None]
) -> None:
    typed(VALUE)
    code, out, err = sealock("secrets", "set", "shop", "TOKEN")
    assert (code, err) == (0, "")
    assert "variable TOKEN of shop is set, version 1" in out
    assert "protected branches" in out
    assert "It is for code of git@h:a alone." in out
    assert tools.opened("TOKEN") == (Scope(origin=ORIGIN), VALUE)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"123\n", "too short to be masked (fewer than 4 characters): not masked in logs"),
        (b"\n", "too short to be masked"),
        (b"true\n", "too common to be masked"),
        (b"0000", "too common to be masked"),
        (b"1234", ""),
        (b"Tr0e", ""),
    ],
)
def test_it_is_told_of_a_value_that_logs_will_show(
    sealock: Sealock, tools: SecretTools, typed: Callable[[bytes], None], value: bytes, says: str
) -> None:
    typed(value)
    code, out, _ = sealock("secrets", "set", "shop", "TOKEN")
    assert code == 0
    assert tools.opened("TOKEN")[1] == value
    assert f"NOTE: it is {says}" in out if says else "NOTE" not in out


def test_a_value_from_a_file_with_a_scope(sealock: Sealock, tools: SecretTools, tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(bytes(range(256)))
    command = ["secrets", "set", "shop", "a.bin", "--as-file", "--file", str(tmp_path / "value")]
    assert sealock(*command, "--pipeline", "unit", "--deployments-only", "--any-branch")[0] == 0
    wanted = Scope(("unit",), deployments_only=True, protected_only=False, origin=ORIGIN)
    assert tools.opened("a.bin", Kind.FILE) == (wanted, bytes(range(256)))


def test_a_value_for_directories_as_well(
    sealock: Sealock, tools: SecretTools, typed: Callable[[bytes], None]
) -> None:
    typed(VALUE)
    code, out, _ = sealock("secrets", "set", "shop", "TOKEN", "--directories")
    assert code == 0
    assert "on protected branches, and of directories of this host." in out
    assert tools.opened("TOKEN") == (Scope(origin=ORIGIN, directories=True), VALUE)


def test_a_value_is_no_argument(sealock: Sealock) -> None:
    code, _, err = sealock("secrets", "set", "shop", "TOKEN", "the value")
    assert code == 2
    assert "unexpected extra argument" in err


@pytest.mark.parametrize(
    ("arguments", "value", "says"),
    [
        (["nothere", "TOKEN"], b"x", ""),
        (["shop", "1TOKEN"], b"x", "cannot be a variable's name"),
        (["shop", "SEALOCK_X"], b"x", "cannot be a variable's name"),
        (["shop", "../x", "--as-file"], b"x", "cannot be a file's name"),
        (["shop", "A" * 129], b"x", "cannot be"),
        (["shop", "TOKEN"], b"", "the value is empty"),
        (["shop", "TOKEN"], b"a\0b", "cannot hold a NUL byte"),
        (["shop", "TOKEN"], b"x" * (64 * 1024 + 1), "longer than the 64 KiB"),
        (["shop", "big", "--as-file"], b"x" * (1024 * 1024 + 1), "longer than the 1024 KiB"),
        (["shop", "TOKEN", "--file", "/nowhere/at/all"], b"x", "cannot be read"),
        (["shop", "TOKEN", "--file", "/dev/null"], b"x", "is no regular file"),
    ],
)
def test_what_no_step_could_be_given_is_refused(
    *,
    arguments: list[str],
    value: bytes,
    says: str,
    sealock: Sealock,
    tools: SecretTools,
    typed: Callable[[bytes], None],
) -> None:
    typed(value)
    code, out, err = sealock("secrets", "set", *arguments)
    assert code != 0, out
    assert says in err
    assert tools.values.versions(Owner("local", ID)) == []


def test_the_largest_values_are_kept(
    sealock: Sealock, tools: SecretTools, typed: Callable[[bytes], None]
) -> None:
    typed(b"v" * 64 * 1024)
    assert sealock("secrets", "set", "shop", "BIG")[0] == 0
    typed(b"\0" * 1024 * 1024)
    assert sealock("secrets", "set", "shop", "BIG.bin", "--as-file")[0] == 0
    assert len(tools.opened("BIG.bin", Kind.FILE)[1]) == 1024 * 1024


def test_one_name_is_one_secret(sealock: Sealock, typed: Callable[[bytes], None]) -> None:
    typed(VALUE)
    assert sealock("secrets", "set", "shop", "TOKEN")[0] == 0
    typed(VALUE)
    code, _, err = sealock("secrets", "set", "shop", "TOKEN", "--as-file")
    assert code == 2
    assert "has a variable TOKEN already" in err


def test_versions_are_listed_and_destroyed_and_remembered(
    sealock: Sealock, tools: SecretTools, typed: Callable[[bytes], None]
) -> None:
    for value in (VALUE, b"another value"):
        typed(value)
        assert sealock("secrets", "set", "shop", "TOKEN")[0] == 0
    out = sealock("secrets", "list", "shop", "--json")[1]
    assert [(each["name"], each["version"]) for each in json.loads(out)] == [("TOKEN", 2)]
    assert sealock("secrets", "remove", "shop", "TOKEN", "--yes")[0] == 0
    assert "has no secrets" in sealock("secrets", "list", "shop")[1]
    told = json.loads(sealock("secrets", "history", "shop", "TOKEN", "--json")[1])
    assert [each["version"] for each in told] == [1, 2]
    assert all(each["destroyed_at"] for each in told)
    code, out, err = sealock("secrets", "history", "shop", "NOPE")
    assert (code, out) == (2, "") and "shop never had a secret NOPE" in err
    assert "destroyed" in sealock("secrets", "history", "shop", "TOKEN")[1]
    assert sealock("secrets", "remove", "shop", "TOKEN", "--yes")[0] == 2
    assert not [path for path in tools.values._directory.rglob("*.json") if b'"data":"' in path.read_bytes()]


def test_a_single_version_is_destroyed(
    sealock: Sealock, tools: SecretTools, typed: Callable[[bytes], None]
) -> None:
    for value in (b"canary one", b"canary two", b"canary three"):
        typed(value)
        assert sealock("secrets", "set", "shop", "TOKEN")[0] == 0
    remove = ("secrets", "remove", "shop", "TOKEN", "--yes", "--version")
    code, out, _ = sealock(*remove, "1")
    assert code == 0
    assert "Destroyed: version 1 of TOKEN of shop" in out
    assert "NOTE" not in out
    assert tools.opened("TOKEN")[1] == b"canary three"
    assert "NOTE: version 2 is the newest now, so builds get that one." in sealock(*remove, "3")[1]
    assert tools.opened("TOKEN")[1] == b"canary two"
    told = json.loads(sealock("secrets", "history", "shop", "TOKEN", "--json")[1])
    assert [each["destroyed_at"] is None for each in told] == [False, True, False]
    assert [
        tools.values.get(owner_of(ID), Kind.VARIABLE, "TOKEN", number) is None for number in (1, 2, 3)
    ] == [*(True, False, True)]


@pytest.mark.parametrize("version", ["2", "0", "-1", "x", "99999999999999999999"])
def test_a_version_that_is_not_there_is_not_destroyed(
    version: str, sealock: Sealock, tools: SecretTools, typed: Callable[[bytes], None]
) -> None:
    typed(VALUE)
    assert sealock("secrets", "set", "shop", "TOKEN")[0] == 0
    code, _, err = sealock("secrets", "remove", "shop", "TOKEN", "--yes", "--version", version)
    assert code == 2
    assert err
    assert tools.opened("TOKEN")[1] == VALUE


def test_nothing_shows_a_value(sealock: Sealock, tools: SecretTools, typed: Callable[[bytes], None]) -> None:
    typed(b"canary-value")
    commands = [("set", "shop", "TOKEN"), ("list", "shop"), ("history", "shop", "TOKEN")]
    said = [sealock("secrets", *command) for command in commands]
    assert [code for code, _, _ in said] == [0, 0, 0]
    assert "canary" not in str(said)


def test_a_value_set_while_keys_rotate_is_sealed_to_the_new_one(tools: SecretTools) -> None:
    class Rotating:
        """Gives out a key that is rotated away at once, the first time."""

        def __init__(self) -> None:
            self.asked = 0

        def public_key(self, owner: Owner) -> object:
            self.asked += 1
            given = tools.sets.public_key(owner)
            if self.asked == 1:
                newer = tools.sets.renew(owner, 2)
                assert newer is not None
                assert tools.values.retire(owner, newer.version)
            return given

    rotating = Rotating()
    sealer = ValueSealer(rotating, tools.values)  # type: ignore[arg-type]  # one method is all it needs
    kept = sealer.keep(owner_of(ID), Kind.VARIABLE, "TOKEN", Secret(VALUE), Scope())
    assert kept == SealedName("local", ID, Kind.VARIABLE, "TOKEN", 1)
    assert (rotating.asked, tools.opened("TOKEN")[1]) == (2, VALUE)
