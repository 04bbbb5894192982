"""What is wrong with the way to a server is told by what to do about it."""

from __future__ import annotations

import ssl

import httpx2
import pytest

from sealock.cli.way_errors import EXPIRED, OTHER_NAME, NotTrusted, of_transport
from sealock.core.errors import TemporaryError

URL = "https://ci.example"


def caused_by(cause: BaseException) -> httpx2.ConnectError:
    error = httpx2.ConnectError("All connection attempts failed")
    error.__cause__ = cause
    return error


def untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "as OpenSSL says"
    return error


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (EXPIRED, "clock of this host"),
        (OTHER_NAME, "`origin`"),
        (20, f"sign in again: sealock login {URL}"),
    ],
)
def test_each_way_a_certificate_is_wrong_has_its_own_advice(code: int, told: str) -> None:
    found = of_transport(caused_by(untrusted(code)), URL)
    assert isinstance(found, NotTrusted) and found.exit_code == 3
    assert told in found.resolution and found.details == "as OpenSSL says"


def test_a_server_that_is_away_is_told_with_what_the_host_says() -> None:
    refused = ConnectionRefusedError(111, "Connect call failed")
    found = of_transport(caused_by(ExceptionGroup("all", [refused])), URL)
    assert isinstance(found, TemporaryError) and found.exit_code == 3
    assert found.details == "Connection refused"
    for needed in ("sealock up", "sealock login", "sealock logout --forget"):
        assert needed in found.resolution


def test_without_a_cause_it_is_what_the_client_says() -> None:
    assert of_transport(httpx2.ReadTimeout("took too long"), URL).details == "took too long"
