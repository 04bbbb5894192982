"""A secret comes out of `reveal` and nowhere else."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from sealock.core.secret import Secret

CANARY = b"canary-5d41402abc4b2a76"
TEXT = CANARY.decode()
TRACES = (TEXT, CANARY.hex(), repr(list(CANARY)))


@dataclasses.dataclass
class Holder:
    """What a careless author might put a secret into."""

    name: str
    value: Secret


@pytest.fixture
def secret() -> Secret:
    return Secret(CANARY)


def raised(secret: Secret) -> str:
    """A traceback with the local variables printed, as error reporters do."""
    try:
        raise ValueError(secret)
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def logged(secret: Secret) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.emit(logging.LogRecord("x", logging.INFO, "x", 1, "%s %r %(a)s", ({"a": secret},), None))
    handler.emit(logging.LogRecord("x", logging.INFO, "x", 1, "%s %r", (secret, [secret]), None))
    return stream.getvalue()


PRINTERS: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s} {secret!a}",
    "format": lambda secret: format(secret, ">100") + f"{secret:s} {secret:x^40} {secret}",
    "percent": lambda secret: "%s %r %a" % (secret, secret, secret),  # noqa: UP031
    "print": lambda secret: (stream := io.StringIO(), print(secret, [secret], file=stream))[0].getvalue(),
    "containers": lambda secret: str([secret, (secret,), {"a": secret}]),
    "pprint": lambda secret: pprint.pformat({"a": [secret]}),
    "dataclass": lambda secret: repr(Holder("x", secret)),
    "exception": lambda secret: str(ValueError(secret)) + repr(ValueError("x", secret)),
    "json with str": lambda secret: json.dumps({"a": secret}, default=str),
    "dir": lambda secret: str(dir(secret)),
    "traceback": raised,
    "log": logged,
}


@pytest.mark.parametrize("printer", PRINTERS)
def test_printing_shows_stars(printer: str, secret: Secret, capsys: pytest.CaptureFixture[str]) -> None:
    printed = PRINTERS[printer](secret) + "".join(capsys.readouterr())
    assert not any(trace in printed for trace in TRACES)
    if printer not in {"dir", "log"}:
        assert "**********" in printed


REFUSED: dict[str, Callable[[Any], object]] = {
    "==": lambda secret: secret == Secret(CANARY),
    "== bytes": lambda secret: secret == CANARY,
    "== from the left": lambda secret: secret.__eq__(CANARY),
    "!=": lambda secret: secret != Secret(b"other"),
    "<": lambda secret: secret < Secret(b"other"),
    "in": lambda secret: secret in [Secret(CANARY)],
    "hash": hash,
    "dictionary key": lambda secret: {secret: 1},
    "set": lambda secret: {secret},
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": lambda secret: copy.deepcopy({"a": secret}),
    "asdict": lambda secret: dataclasses.asdict(Holder("x", secret)),
    "json": json.dumps,
    "bytes": bytes,
    "vars": vars,
    "len": len,
    "iteration": iter,
    "index": lambda secret: secret[0],
    "concatenation": lambda secret: b"" + secret,
    "join": lambda secret: b"".join([secret]),
}


@pytest.mark.parametrize("use", REFUSED)
def test_what_could_let_it_out_or_tell_about_it_is_refused(use: str, secret: Secret) -> None:
    with pytest.raises(TypeError) as caught:
        REFUSED[use](secret)
    assert not any(trace in str(caught.value) for trace in TRACES)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_protocol_pickles_it(protocol: int, secret: Secret) -> None:
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps([secret], protocol)


def test_stars_say_nothing_about_its_length() -> None:
    assert repr(Secret(b"a")) == repr(Secret(b"a" * 1000)) == str(Secret(b"")) == "Secret('**********')"


def test_no_attribute_can_be_added(secret: Secret) -> None:
    with pytest.raises(AttributeError):
        secret.note = TEXT  # type: ignore[attr-defined]


def test_reveal_gives_the_bytes(secret: Secret) -> None:
    assert secret.reveal() == CANARY
    assert Secret(bytearray(CANARY)).reveal() == CANARY


def test_an_empty_one_is_not_a_forgotten_one() -> None:
    secret = Secret(b"")
    assert secret.reveal() == b""
    secret.forget()
    with pytest.raises(ValueError, match="this secret was forgotten"):
        secret.reveal()


def test_it_does_not_change_with_what_it_was_made_from() -> None:
    source = bytearray(CANARY)
    secret = Secret(source)
    source[:] = bytes(len(source))
    assert secret.reveal() == CANARY


def test_forgetting_overwrites_the_bytes_before_it_lets_them_go(secret: Secret) -> None:
    seen: list[bytes] = []

    class Watched(bytearray):
        def clear(self) -> None:
            seen.append(bytes(self))
            super().clear()

    secret._buffer = Watched(CANARY)
    secret.forget()
    assert seen == [bytes(len(CANARY))]
    assert not secret._buffer


def test_what_was_forgotten_stays_forgotten(secret: Secret) -> None:
    secret.forget()
    secret.forget()
    with pytest.raises(ValueError, match="this secret was forgotten"):
        secret.reveal()


def test_leaving_the_block_forgets_it_also_after_an_error(secret: Secret) -> None:
    with pytest.raises(KeyError), secret as inside:
        assert inside.reveal() == CANARY
        raise KeyError
    with pytest.raises(ValueError, match="this secret was forgotten"):
        secret.reveal()
