"""`sealock project`, with the real keeper, store and address rules behind it."""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealock.core.project import Project, owner_of
from sealock.core.sealed import KeyDestroyer, Sealed, SealedPlace
from sealock.core.source import GitAddress
from sealock.keeper.kek import FileKek
from sealock.keeper.log_keys import SealedBuildLogs
from sealock.keeper.seal import KeySealer
from sealock.livelog.files import LogFiles
from sealock.providers.git.address import parse
from sealock.providers.git.known_hosts import pins
from sealock.store.projects import ProjectFiles
from sealock.store.sealed import SealedFiles
from tests.support.keys import Installation
from tests.support.leases import OwnKeys
from tests.support.openers import KeyOpener

Sealock = Callable[..., tuple[int, str, str]]
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIITc4QHi8JWxKO2tYrzRmfUJVJucup6Jb7U+vZPaVG+Y"
URL = "ssh://git@git.example.org/team/parser.git"


class ProjectTools:
    """What these commands ask of their tools."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.keys = Installation(directory)

    def projects(self) -> ProjectFiles:
        return ProjectFiles(self.directory / "projects")

    def sealer(self) -> KeySealer:
        return KeySealer(self.keys.sets)

    def key_destroyer(self) -> KeyDestroyer:
        return self.keys.keyring

    def sealed_places(self) -> list[SealedPlace]:
        return [self.projects(), self.keys.store]

    def sealed_values(self) -> SealedFiles:
        return self.keys.store

    @asynccontextmanager
    async def logs(self) -> AsyncIterator[SealedBuildLogs]:
        files = LogFiles(self.directory / "logs")
        yield SealedBuildLogs(files, self.keys.store, OwnKeys(self.keys.sets))

    def git_address(self, url: str) -> GitAddress:
        return parse(url)

    def host_keys(self, host: str, port: int, given: tuple[str, ...]) -> tuple[str, ...]:
        return pins(host, port, given, None)


def data_of(project: Project) -> str:
    assert isinstance(project.sealed_key, Sealed)
    return b64encode(project.sealed_key.data).decode()


@pytest.fixture
def tools(tmp_path: Path) -> ProjectTools:
    return ProjectTools(tmp_path)


def test_add_prints_the_public_half_alone(sealock: Sealock, tools: ProjectTools) -> None:
    code, out, err = sealock("project", "add", "parser", URL, "--host-key", HOST_KEY)
    project = tools.projects().get("parser")
    assert (code, err) == (0, "")
    assert project.public_key in out.splitlines()
    assert "PRIVATE" not in out
    assert data_of(project) not in out
    assert project.host_keys == (HOST_KEY,)


def test_the_keys_of_known_servers_need_not_be_given(sealock: Sealock, tools: ProjectTools) -> None:
    code, _, _ = sealock("project", "add", "parser", "git@github.com:team/parser.git")
    assert code == 0
    assert tools.projects().get("parser").host_keys == pins("github.com", 22, (), None)


def test_the_key_of_an_unknown_server_must_be_given(sealock: Sealock, tools: ProjectTools) -> None:
    code, out, err = sealock("project", "add", "parser", URL)
    assert (code, out) == (2, "")
    assert "ssh-keyscan" in err
    assert "fingerprint" in err
    assert tools.projects().all() == []


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c id",
        "file:///etc",
        "ssh://-oProxyCommand=id/x",
        "ssh://git:pw@host/x",
        "ssh://h/x\nssh://g/y",
        "",
    ],
)
def test_an_address_that_is_none_is_refused(sealock: Sealock, tools: ProjectTools, url: str) -> None:
    code, out, err = sealock("project", "add", "parser", url, "--host-key", HOST_KEY)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert tools.projects().all() == []


@pytest.mark.parametrize(
    "line", ["", "hello", "ssh-dss AAAA", "ssh-ed25519 AAAA", "-----BEGIN PUBLIC KEY-----"]
)
def test_a_host_key_that_is_none_is_refused(sealock: Sealock, tools: ProjectTools, line: str) -> None:
    code, _, err = sealock("project", "add", "parser", URL, "--host-key", line)
    assert code == 2
    assert err.startswith("Error: ")
    assert tools.projects().all() == []


def test_key_prints_one_line_and_nothing_else(sealock: Sealock, tools: ProjectTools) -> None:
    sealock("project", "add", "parser", URL, "--host-key", HOST_KEY)
    assert sealock("project", "key", "parser") == (0, tools.projects().get("parser").public_key + "\n", "")


def test_list_and_show(sealock: Sealock, tools: ProjectTools) -> None:
    assert sealock("project", "list")[1].startswith("There is no project yet.")
    sealock("project", "add", "parser", URL, "--host-key", HOST_KEY)
    assert sealock("project", "list")[1] == "parser  ssh://git@git.example.org/team/parser.git\n"
    _, shown, _ = sealock("project", "show", "parser")
    project = tools.projects().get("parser")
    for part in (project.public_key, HOST_KEY, "version 1, sealed under version 1 of its key set"):
        assert part in shown
    assert data_of(project) not in shown


def test_json(sealock: Sealock, tools: ProjectTools) -> None:
    assert json.loads(sealock("project", "list", "--json")[1]) == []
    made = json.loads(sealock("project", "add", "parser", URL, "--host-key", HOST_KEY, "--json")[1])
    assert made == json.loads(sealock("project", "show", "parser", "--json")[1])
    assert [made] == json.loads(sealock("project", "list", "--json")[1])
    project = tools.projects().get("parser")
    assert made["public_key"] == project.public_key
    assert made["key_version"] == 1
    assert not {"sealed_key", "ciphertext"} & set(made)


def test_reset_key(sealock: Sealock, tools: ProjectTools) -> None:
    sealock("project", "add", "parser", URL, "--host-key", HOST_KEY)
    old = tools.projects().get("parser")
    code, out, _ = sealock("project", "reset-key", "parser")
    new = tools.projects().get("parser")
    assert code == 0
    assert new.public_key in out.splitlines()
    assert old.public_key not in out
    assert new.sealed_key.version == 2
    assert json.loads(sealock("project", "reset-key", "parser", "--json")[1])["key_version"] == 3
    opener = KeyOpener(tools.keys.sets, lambda: FileKek(tools.directory / "none"))
    opener.open_key(tools.projects().get("parser")).forget()


def test_remove_asks(sealock: Sealock, tools: ProjectTools, monkeypatch: pytest.MonkeyPatch) -> None:
    sealock("project", "add", "parser", URL, "--host-key", HOST_KEY)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        code, _, _ = sealock("project", "remove", "parser")
    assert code != 0
    assert [project.name for project in tools.projects().all()] == ["parser"]


def test_remove_with_yes_does_not(sealock: Sealock, tools: ProjectTools) -> None:
    sealock("project", "add", "parser", URL, "--host-key", HOST_KEY)
    code, out, _ = sealock("project", "remove", "parser", "--yes")
    assert code == 0
    assert "Remove its key at the Git server too" in out
    assert tools.projects().all() == []


def test_remove_takes_the_logs_of_its_builds_and_of_no_other(sealock: Sealock, tools: ProjectTools) -> None:
    for name in ("parser", "printer"):
        url = f"ssh://git@git.example.org/team/{name}.git"
        assert sealock("project", "add", name, url, "--host-key", HOST_KEY)[0] == 0
    parser, printer = (owner_of(tools.projects().get(name).id) for name in ("parser", "printer"))

    async def keep() -> None:
        async with tools.logs() as logs:
            for owner, build in ((parser, "a" * 32), (parser, "b" * 32), (printer, "c" * 32)):
                writer = await logs.begin(owner, build)
                writer.write(b"canary of a log\n")
                writer.close()
            logs.remove(parser, "b" * 32, "ann")

    asyncio.run(keep())
    assert sealock("project", "remove", "parser", "--yes")[0] == 0
    files = LogFiles(tools.directory / "logs")
    assert files.all() == ["c" * 32]
    told = [files.removal(letter * 32) for letter in "abc"]
    assert [each is not None for each in told] == [True, True, False]
    assert told[1] is not None
    assert told[1].by == "ann"
    assert [each.name.name for each in tools.keys.store.versions(printer)] == ["c" * 32]
    assert tools.keys.store.versions(parser) == []


@pytest.mark.parametrize("command", ["show", "key", "reset-key", "remove"])
def test_an_unknown_project_is_refused(sealock: Sealock, command: str) -> None:
    sealock("project", "add", "parser", URL, "--host-key", HOST_KEY)
    code, out, err = sealock("project", command, "praser")
    assert (code, out) == (2, "")
    assert "there is no project 'praser'" in err
    assert "Did you mean parser?" in err
