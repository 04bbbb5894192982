"""Where the website is reached, and which requests are meant for it and come from it."""

from __future__ import annotations

import pytest

from sealock.core.errors import UsageError
from sealock.web.cross_origin import from_here
from sealock.web.origin import Origin

HERE = Origin("ci.example.com")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ci.example.com", "https://ci.example.com"),
        ("https://CI.Example.com:443/", "https://ci.example.com"),
        ("https://localhost:8443", "https://localhost:8443"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://192.0.2.1", "https://192.0.2.1"),
    ],
)
def test_an_origin(text: str, shown: str) -> None:
    assert str(Origin.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://ci.example.com",
        "ci.example.com",
        "https://",
        "https://a/b",
        "https://a?b",
        "https://user@a",
        "https://a:0",
        "https://a:65536",
        "https://-a",
        "https://a..b",
        "https://[::g]",
        "https://[1.2.3.4]",
        "https://a\n",
        "https://a b",
    ],
)
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(UsageError):
        Origin.parse(text)


@pytest.mark.parametrize(
    ("header", "is_ours"),
    [
        ("ci.example.com", True),
        ("CI.EXAMPLE.COM", True),
        ("ci.example.com:443", True),
        ("ci.example.com:8443", False),
        ("ci.example.com.evil.net", False),
        ("evil.net", False),
        ("a.ci.example.com", False),
        ("ci.example.com@evil.net", False),
        ("ci.example.com/evil", False),
        ("ci.example.com, evil.net", False),
        (" ci.example.com", False),
        ("", False),
    ],
)
def test_which_host_is_ours(header: str, is_ours: bool) -> None:
    assert HERE.is_named_by(header) is is_ours


def test_another_port_has_to_be_named() -> None:
    assert Origin("localhost", 8443).is_named_by("localhost:8443")
    assert not Origin("localhost", 8443).is_named_by("localhost")
    assert Origin("::1", 8443).is_named_by("[::1]:8443")


SITE, FROM, COOKIE = "sec-fetch-site", "origin", "cookie"


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        # What browsers send from our own pages.
        ("POST", {SITE: "same-origin", FROM: "https://ci.example.com", COOKIE: "a=b"}, True),
        ("POST", {SITE: "none", COOKIE: "a=b"}, True),
        ("DELETE", {SITE: "same-origin", COOKIE: "a=b"}, True),
        ("POST", {FROM: "https://ci.example.com", COOKIE: "a=b"}, True),
        # What other sites make them send.
        ("POST", {SITE: "cross-site", FROM: "https://evil.net", COOKIE: "a=b"}, False),
        ("POST", {SITE: "cross-site"}, False),
        ("POST", {SITE: "same-site", FROM: "https://a.example.com", COOKIE: "a=b"}, False),
        ("POST", {SITE: "cross-site", FROM: "https://ci.example.com"}, False),
        ("POST", {SITE: "", FROM: "https://ci.example.com"}, False),
        ("POST", {SITE: "Same-Origin"}, False),
        ("POST", {FROM: "https://evil.net"}, False),
        ("POST", {FROM: "null", COOKIE: "a=b"}, False),
        ("POST", {FROM: "http://ci.example.com"}, False),
        ("POST", {FROM: "https://ci.example.com:8443"}, False),
        ("POST", {FROM: "https://ci.example.com.evil.net"}, False),
        ("PUT", {SITE: "cross-site"}, False),
        ("PATCH", {SITE: "cross-site"}, False),
        ("DELETE", {SITE: "cross-site"}, False),
        ("QUERY", {SITE: "cross-site"}, False),
        # Programs.
        ("POST", {}, True),
        ("POST", {"authorization": "Bearer x"}, True),
        ("POST", {COOKIE: "a=b"}, False),
        # What changes nothing.
        ("GET", {SITE: "cross-site", COOKIE: "a=b"}, True),
        ("HEAD", {SITE: "cross-site"}, True),
        ("OPTIONS", {FROM: "https://evil.net"}, True),
    ],
)
def test_where_a_request_comes_from(method: str, headers: dict[str, str], allowed: bool) -> None:
    assert bool(from_here(method, headers, HERE)) is allowed
