"""What goes into a receipt, and what must not."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.core.build import BuildRecord, CommandResult, SecretRelease
from sealock.core.errors import PermanentError
from sealock.core.log import LogSummary
from sealock.core.sealed import Kind
from sealock.ledger.predicates import rfc3339
from sealock.ledger.statement import statements

KEY_ID = "0" * 64


def test_the_provenance_has_what_slsa_requires(record: BuildRecord) -> None:
    provenance = json.loads(statements(record, KEY_ID)[0].canonical())
    assert provenance["_type"] == "https://in-toto.io/Statement/v1"
    assert provenance["predicateType"] == "https://slsa.dev/provenance/v1"
    assert provenance["subject"] == [
        {"name": record.source, "digest": {"gitCommit": "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"}}
    ]
    definition, details = (provenance["predicate"][part] for part in ("buildDefinition", "runDetails"))
    assert definition["buildType"] == "urn:sealock:build:v1"
    assert definition["externalParameters"] == {
        "source": "ssh://git@git.example.org:22/team/parser.git",
        "ref": "main",
        "pipelines": ["unit"],
        "image": "python",
        "workingTree": False,
    }
    assert [each["uri"] for each in definition["resolvedDependencies"]] == [
        "urn:sealock:image:sha256:" + "a1" * 32,
        "git+ssh://git@git.example.org:22/team/parser.git",
    ]
    assert details["builder"]["id"] == f"urn:sealock:installation:{KEY_ID}"
    assert details["metadata"] == {
        "invocationId": record.id,
        "startedOn": "2025-10-09T08:53:20.000Z",
        "finishedOn": "2025-10-09T08:53:32.430Z",
    }
    assert details["byproducts"] == [{"name": "plan", "digest": {"sha256": "c3" * 32}}]


def test_the_receipt_has_every_measurement(record: BuildRecord) -> None:
    predicate = json.loads(statements(record, KEY_ID)[1].canonical())["predicate"]
    assert predicate["key"] == {
        "fingerprint": record.key_fingerprint,
        "version": 1,
        "openedAt": "2025-10-09T08:53:20.113Z",
        "removedAt": "2025-10-09T08:53:21.204Z",
        "earlier": [],
    }
    machine = predicate["machine"]
    assert [state["state"] for state in machine["states"]] == ["starting", "ready", "busy", "ending", "gone"]
    assert machine["states"][0]["at"] == "2025-10-09T08:52:20.000Z"
    assert machine["diskBytesWritten"] == 0
    assert machine["networkPolicy"] == "internet"
    assert machine["ending"] == "destroyed"
    assert machine["limits"][2] == {
        "name": "processor",
        "value": "1",
        "mechanism": "cgroup v2",
        "enforced": False,
    }
    assert predicate["firstCommandAt"] == "2025-10-09T08:53:21.377Z"
    assert predicate["outcome"] == "green"


def test_commands_are_counted_and_not_quoted(record: BuildRecord) -> None:
    record.reason = "pytest --token=hunter2 ended with 1"
    record.commands.append(CommandResult("unit", "curl -u user:hunter2", None, 0.0004))
    both = b"".join(each.canonical() for each in statements(record, KEY_ID))
    assert b"hunter2" not in both
    assert json.loads(statements(record, KEY_ID)[1].canonical())["predicate"]["commands"] == [
        {"step": "setup", "exitCode": 0, "milliseconds": 4250},
        {"step": "unit", "exitCode": 0, "milliseconds": 6700},
        {"step": "unit", "exitCode": None, "milliseconds": 0},
    ]


def test_the_log_and_what_was_released_are_named(record: BuildRecord) -> None:
    predicate = json.loads(statements(record, KEY_ID)[1].canonical())["predicate"]
    assert predicate["log"] == {
        "digest": {"sha256": "d4" * 32},
        "lines": 1234,
        "size": 56_789,
        "complete": True,
    }
    when = "2025-10-09T08:53:25.700Z"
    assert predicate["releases"] == [
        {"step": "test:unit", "kind": "variable", "name": "API_TOKEN", "version": 3, "at": when},
        {"step": "test:unit", "kind": "file", "name": "service.json", "version": 1, "at": when},
    ]


def test_without_log_and_secrets_both_fields_are_there(record: BuildRecord) -> None:
    record.log = None
    record.releases.clear()
    predicate = json.loads(statements(record, KEY_ID)[1].canonical())["predicate"]
    assert (predicate["log"], predicate["releases"]) == (None, [])


def test_what_cannot_be_printed_is_replaced(record: BuildRecord) -> None:
    record.source = "directory:\x1b[2Jparser\n\u202e"
    record.ref = "\ud800"
    parameters = statements(record, KEY_ID)[0].predicate.build_definition.external_parameters
    assert parameters.source == "directory:\ufffd[2Jparser\ufffd\ufffd"
    assert parameters.ref == "\ufffd"


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("git@github.com:team/parser.git", "git+ssh://git@github.com/team/parser.git"),
        ("ssh://git@host:2222/team/parser.git", "git+ssh://git@host:2222/team/parser.git"),
        ("git@[2001:db8::1]:parser.git", "git+ssh://git@[2001:db8::1]/parser.git"),
        ("directory:my parser", "directory:my%20parser"),
    ],
)
def test_the_source_is_a_uri(record: BuildRecord, source: str, uri: str) -> None:
    record.source = source
    definition = statements(record, KEY_ID)[0].predicate.build_definition
    assert definition.external_parameters.source == source
    assert [each.uri for each in definition.resolved_dependencies if each.name == "source"] == [uri]


@pytest.mark.parametrize("field", ["outcome", "ended_at"])
def test_a_build_that_has_not_ended_has_none(record: BuildRecord, field: str) -> None:
    setattr(record, field, None)
    with pytest.raises(PermanentError, match="has not ended"):
        statements(record, KEY_ID)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../etc/passwd"),
        ("commit", "HEAD"),
        ("image_content", ""),
        ("plan_digest", "sha256:xyz"),
        ("log", LogSummary("", 1, 1, 1, "", True)),
        ("releases", [SecretRelease("a", Kind.SSH_KEY, "ssh-key", 1, 1.76e9)]),
        ("releases", [SecretRelease("a", Kind.FILE, "a b", 1, 1.76e9)]),
    ],
)
def test_a_record_that_lacks_something_is_refused(record: BuildRecord, field: str, value: object) -> None:
    setattr(record, field, value)
    with pytest.raises(PermanentError, match="cannot be made into a receipt") as caught:
        statements(record, KEY_ID)
    assert caught.value.details


@given(st.floats(min_value=1e9, max_value=4e9), st.floats(min_value=1e9, max_value=4e9))
def test_times_are_ordered_as_text_as_they_are_as_numbers(one: float, other: float) -> None:
    earlier, later = sorted((one, other))
    assert rfc3339(earlier) <= rfc3339(later)
    assert len(rfc3339(one)) == 24
    assert math.isfinite(one)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1_700_000_000.0, "2023-11-14T22:13:20.000Z"),
        (1_700_000_000.9996, "2023-11-14T22:13:21.000Z"),
        (1_700_000_000.0014, "2023-11-14T22:13:20.001Z"),
    ],
)
def test_times_are_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text
