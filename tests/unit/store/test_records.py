"""A record is read strictly: whatever is wrong with it is named, with the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.core.errors import PermanentError
from sealock.core.project import Project
from sealock.store.records import LONGEST_RECORD, decode, encode

MakeProject = Callable[..., Project]


@pytest.fixture
def record(make_project: MakeProject) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(encode(make_project()))
    return kept


def _refusal(data: object) -> PermanentError:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(PermanentError) as caught:
        decode(text, "/projects/parser.json")
    assert "/projects/parser.json" in caught.value.brief
    assert caught.value.details.replace("\n", "").isprintable()
    return caught.value


def test_there_and_back(make_project: MakeProject) -> None:
    assert decode(encode(make_project()), "it") == make_project()


def test_a_missing_field_is_named(record: dict[str, Any]) -> None:
    for name in record:
        if name != "format":
            less = {key: value for key, value in record.items() if key != name}
            assert f"{name}: Field required" in _refusal(less).details
    del record["sealed_key"]["version"]
    assert "sealed_key.version: Field required" in _refusal(record).details


def test_an_unknown_field_is_named(record: dict[str, Any]) -> None:
    record["address"]["password"] = "hunter2"
    details = _refusal(record).details
    assert "address.password: Extra inputs are not permitted" in details
    assert "hunter2" not in details


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", 3),
        ("id", "1"),
        ("id", "A" * 32),
        ("name", "../x"),
        ("host_keys", []),
        ("host_keys", "ssh-ed25519 AAAA"),
        ("host_keys", ["two\nlines"]),
        ("public_key", ""),
        ("created_at", -1),
        ("created_at", "yesterday"),
        ("address", None),
    ],
)
def test_a_field_out_of_shape_is_named(record: dict[str, Any], name: str, value: object) -> None:
    record[name] = value
    assert _refusal(record).details.startswith(name)


@pytest.mark.parametrize("port", [0, -1, 65536, "22", 22.5, True])
def test_a_port_is_a_port(record: dict[str, Any], port: object) -> None:
    record["address"]["port"] = port
    assert "address.port" in _refusal(record).details


@pytest.mark.parametrize(
    "text", [b"", b"{", b"null", b"[]", b"\xff", b"[" * 100_000, b"1" * 5000, b"{}{}", b'{"created_at":NaN}']
)
def test_what_is_no_record_is_refused(text: bytes) -> None:
    assert _refusal(text).details


def test_a_field_twice_is_refused(make_project: MakeProject) -> None:
    twice = encode(make_project()).replace(b'"name":', b'"name": "printer",\n  "name":', 1)
    assert "the field 'name' is there twice" in _refusal(twice).details


def test_a_record_that_is_too_long_is_refused(make_project: MakeProject) -> None:
    assert "longer than" in _refusal(encode(make_project()) + b" " * LONGEST_RECORD).details


def test_nothing_is_kept_that_could_not_be_read(make_project: MakeProject) -> None:
    for broken in (
        replace(make_project(), host_keys=()),
        replace(make_project(), public_key="two\nlines"),
        replace(make_project(), id="1"),
        replace(make_project(), created_at=float("nan")),
    ):
        with pytest.raises(PermanentError, match="cannot be kept"):
            encode(broken)


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_rubbish_has_an_answer(rubbish: bytes) -> None:
    _refusal(rubbish)
