"""Where logs, secrets and receipts are: the server's once one is signed in, unless --local says otherwise."""

from __future__ import annotations

import pytest

from sealock.cli.local_logs import LocalLogs
from sealock.cli.places import places
from sealock.cli.server_logs import ServerLogs
from sealock.cli.sign_ins import SignIn, SignIns, server_address
from sealock.core.errors import UsageError
from sealock.core.secret import Secret
from tests.unit.cli.conftest import FakeTools


def kept(url: str) -> SignIn:
    made = SignIn(url, Secret(b"slk_x"), "ada@example.com", "", "key")
    SignIns().keep(made)
    return made


@pytest.mark.parametrize("local", [False, True])
def test_the_sign_in_decides_and_local_overrides(tools: FakeTools, local: bool) -> None:
    assert isinstance(places(tools, local=local).logs, LocalLogs)  # type: ignore[arg-type]
    kept("https://ci.example")
    wanted = LocalLogs if local else ServerLogs
    assert isinstance(places(tools, local=local).logs, wanted)  # type: ignore[arg-type]


def test_the_last_sign_in_is_the_current_one_until_it_is_forgotten() -> None:
    for url in ("https://one.example", "https://two.example", "https://one.example"):
        kept(url)
    found = SignIns().current()
    assert found is not None and found.url == "https://one.example"
    SignIns().forget("https://one.example")
    found = SignIns().current()
    assert found is not None and found.url == "https://two.example"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://CI.example/", "https://ci.example"),
        ("https://ci.example:443", "https://ci.example"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_an_address_has_one_spelling(text: str, url: str) -> None:
    assert server_address(text) == url


def test_a_file_that_is_none_of_ours_shows_nothing_of_itself() -> None:
    kept("https://ci.example")
    path = SignIns()._path
    path.write_text(path.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(UsageError) as caught:
        SignIns().current()
    assert "slk_" not in str(caught.value)
