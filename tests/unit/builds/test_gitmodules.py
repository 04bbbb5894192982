"""What a commit says about its submodules, and what is refused of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.builds.gitmodules import Submodule, address_of, parse_settings
from sealock.core.errors import UsageError
from sealock.core.source import GitAddress
from sealock.providers.git.address import parse

PARENT = GitAddress("git", "git.example", 22, "owner/name.git")


def listed(name: str, path: str, url: str) -> bytes:
    return f"submodule.{name}.path\n{path}\0submodule.{name}.url\n{url}\0".encode()


def test_a_plain_submodule() -> None:
    assert parse_settings(listed("third party/lib.x", "deps/lib", "../lib.git")) == [
        ("third party/lib.x", "deps/lib", "../lib.git")
    ]
    assert parse_settings(b"submodule.half.path\nx\0") == []
    assert parse_settings(b"") == []


@pytest.mark.parametrize(
    "name", ["../x", "a/../b", "..", "", "/x", "a//b", "-x", "a/-b", ".git", "a/.GIT", "x\ny", "ü", "a:b"]
)
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(UsageError):
        parse_settings(listed(name, "path", "../x"))


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../b",
        "/x",
        "",
        ".",
        "-x",
        "a/-b",
        ".git",
        ".git/hooks",
        "a/.Git ",
        "git~1",
        "a\\b",
        "c:x",
        "x\r",
        "x\t",
        " x",
        "a//b",
    ],
)
def test_paths_that_lead_elsewhere(path: str) -> None:
    with pytest.raises(UsageError):
        parse_settings(listed("name", path, "../x"))


@pytest.mark.parametrize("url", ["-u./payload", "--upload-pack=id", "", "x\x07"])
def test_urls_that_are_no_urls(url: str) -> None:
    with pytest.raises(UsageError):
        parse_settings(listed("name", "path", url))


def test_one_inside_another_and_one_twice() -> None:
    with pytest.raises(UsageError, match="inside another"):
        parse_settings(listed("a", "x", "../x") + listed("A/hooks", "y", "../y"))
    with pytest.raises(UsageError, match="inside another"):
        parse_settings(listed("a", "x/sub", "../x") + listed("b", "x", "../y"))
    with pytest.raises(UsageError, match="given twice"):
        parse_settings(listed("a", "x", "../x") * 2)


def where(url: str, parent: GitAddress = PARENT) -> GitAddress | str:
    return address_of(Submodule("name", "path", url, "0" * 40), parent, parse)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("../lib.git", "owner/lib.git"),
        ("../../other/lib.git/", "other/lib.git"),
        ("./lib.git", "owner/name.git/lib.git"),
        ("git@git.example:x/y", "x/y"),
    ],
)
def test_where_it_lies(url: str, path: str) -> None:
    assert where(url) == GitAddress("git", "git.example", 22, path)


def test_a_relative_url_keeps_user_port_and_root() -> None:
    parent = GitAddress("me", "10.0.0.1", 2222, "/srv/a.git")
    assert where("../b.git", parent) == GitAddress("me", "10.0.0.1", 2222, "/srv/b.git")


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/x",
        "git@other.example:x",
        "ssh://git@git.example:2222/x",
        "root@git.example:x",
        "git://x/y",
    ],
)
def test_what_lies_elsewhere_is_left_out(url: str) -> None:
    assert isinstance(where(url), str)


@pytest.mark.parametrize(
    "url",
    [
        "../../../x",
        "../..",
        "ext::sh -c id",
        "file:///etc",
        "/etc",
        "ssh://-oProxyCommand=id/x",
        "git@git.example:../x",
        "../%2e%2e/x",
        "../$(id)",
        "https://git.example/x\\",
    ],
)
def test_what_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        where(url)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        for name, path, url in parse_settings(data):
            assert ".." not in (name.split("/") + path.split("/"))
            assert not any(text.startswith("-") for text in (name, path, url))
    except UsageError:
        pass


@given(st.text(st.sampled_from("./ab-~:@%"), max_size=16))
def test_a_submodule_never_gets_the_key_for_another_host(url: str) -> None:
    try:
        found = where(url)
    except UsageError:
        return
    if isinstance(found, GitAddress):
        assert (found.user, found.host, found.port) == ("git", "git.example", 22)
