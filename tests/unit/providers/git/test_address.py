"""Addresses of Git repositories: what is read, and that nothing ambiguous is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sealock.core.errors import UsageError
from sealock.core.source import GitAddress
from sealock.providers.git.address import parse


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("git@github.com:owner/name.git", GitAddress("git", "github.com", 22, "owner/name.git")),
        ("github.com:owner/name", GitAddress("git", "github.com", 22, "owner/name")),
        ("ssh://git@github.com/owner/name.git", GitAddress("git", "github.com", 22, "owner/name.git")),
        ("ssh://git@GitHub.com:22/owner/name.git/", GitAddress("git", "github.com", 22, "owner/name.git")),
        ("git@github.com:/owner/name.git", GitAddress("git", "github.com", 22, "owner/name.git")),
        ("ssh://git.example.com/srv/git/a.git", GitAddress("git", "git.example.com", 22, "/srv/git/a.git")),
        ("ssh://me@git.example.com:2222/~/a.git", GitAddress("me", "git.example.com", 2222, "a.git")),
        ("me@host:~/a.git", GitAddress("me", "host", 22, "a.git")),
        ("ssh://git@[2001:DB8::1]:2222/a", GitAddress("git", "2001:db8::1", 2222, "/a")),
        ("git@[2001:db8::1]:a", GitAddress("git", "2001:db8::1", 22, "a")),
        ("git@10.0.0.7:a", GitAddress("git", "10.0.0.7", 22, "a")),
        (
            "git@ssh.dev.azure.com:v3/org/My Project/repo",
            GitAddress("git", "ssh.dev.azure.com", 22, "v3/org/My Project/repo"),
        ),
        ("git@xn--bcher-kva.example:a", GitAddress("git", "xn--bcher-kva.example", 22, "a")),
        ("git@host:2222/a", GitAddress("git", "host", 22, "2222/a")),
        ("ssh://git@host/~user/a", GitAddress("git", "host", 22, "/~user/a")),
    ],
)
def test_what_is_read(url: str, wanted: GitAddress) -> None:
    found = parse(url)
    assert found == wanted
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("https://github.com/owner/name", "https://"),
        ("http://github.com/owner/name", "http://"),
        ("git://github.com/owner/name", "git://"),
        ("file:///srv/git/a.git", "file://"),
        ("ext::sh -c touch% /tmp/x", "percent"),
        ("ext::sh -c id", "remote helper"),
        ("fd::17", "remote helper"),
        ("ssh::host/x", "remote helper"),
        ("SSH://git@host/a", "SSH://"),
        ("git+ssh://git@host/a", "not supported"),
        ("ssh://git:secret@host/a", "password"),
        ("ssh://git@other@host/a", "no address"),
        ("git@evil@host:a", "no address"),
        ("ssh://@host/a", "user name"),
        ("ssh://git@/a", "host is missing"),
        ("ssh:///a", "host is missing"),
        ("git@:a", "host is missing"),
        ("ssh://git@host", "path is missing"),
        ("ssh://git@host/", "path is missing"),
        ("git@host:", "path is missing"),
        ("ssh://-oProxyCommand=id/a", "begins with `-`"),
        ("ssh://git@-oProxyCommand=id/a", "begins with `-`"),
        ("git@-oProxyCommand=id:a", "begins with `-`"),
        ("-oProxyCommand=id:a", "begins with `-`"),
        ("--upload-pack=id", "begins with `-`"),
        ("ssh://-oProxyCommand=id@host/a", "user name"),
        ("ssh://git@host\n.evil/a", "line break"),
        ("ssh://git@host/a\n", "line break"),
        ("ssh://git@host/a\x00", "line break"),
        ("ssh://git@host/\u202egit.a", "line break"),
        ("ssh://git@host%0a.evil/a", "percent"),
        ("ssh://git@host/%2e%2e/a", "percent"),
        ("ssh://git@bücher.example/a", "punycode|ASCII"),
        ("ssh://git@host\\evil/a", "backslash"),
        ("ssh://git@host/a//b", "`//`"),
        ("ssh://git@host//a", "`//`"),
        ("git@host:a//b", "`//`"),
        ("git@host:../a", "`..`"),
        ("ssh://git@host/a/../b", "`..`"),
        ("ssh://git@host/./a", "`.`"),
        ("git@host:-a", "begins with `-`"),
        ("ssh://git@host/a/-b", "begins with `-`"),
        ("ssh://git@host/a;id", "no part"),
        ("git@host:a'b", "no part"),
        ("git@host:a$(id)", "no part"),
        ("git@host:a`id`", "no part"),
        ("ssh://git@host/a?x=1", "no part"),
        ("ssh://git@host/a#x", "no part"),
        ("ssh://git@host:0/a", "port"),
        ("ssh://git@host:65536/a", "port"),
        ("ssh://git@host:022/a", "port"),
        ("ssh://git@host:/a", "port"),
        ("ssh://git@host:22 /a", "port"),
        ("ssh://git@127.1/a", "neither"),
        ("ssh://git@2130706433/a", "neither"),
        ("ssh://git@0x7f000001/a", "neither"),
        ("ssh://git@127.0.0.01/a", "neither"),
        ("ssh://git@host./a", "no DNS name"),
        ("ssh://git@ho_st/a", "no DNS name"),
        ("ssh://git@host,other/a", "no DNS name"),
        ("ssh://git@*/a", "no DNS name"),
        ("ssh://git@[::1/a", "no address"),
        ("ssh://git@[fe80::1%eth0]/a", "percent"),
        ("ssh://git@[host]/a", "no IPv6"),
        ("/srv/git/a.git", "no address"),
        ("./a", "no address"),
        ("x" * 2000, "longer"),
    ],
)
def test_what_is_refused(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        parse(url)
    assert caught.value.resolution
    assert "\n" not in caught.value.brief


ALPHABET = st.sampled_from([*"ag-.@:/~%[]\\ \n\x00'$;,=_0129", "ssh://", "git@", "..", "::", "ü", "\u202e"])


@given(st.lists(ALPHABET, max_size=24).map("".join))
@example("ssh://git@a/~/a")
def test_whatever_is_read_is_harmless_and_reads_the_same_again(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return
    again = str(found)
    assert parse(again) == found
    for part in (found.user, found.host, *found.path.split("/")):
        assert not part.startswith("-")
        assert part.isprintable()
    assert not set("%\\'\"`$;\n\x00") & set(again)
    assert ".." not in found.path.split("/")
    assert 0 < found.port < 65536
