"""A receipt in a reader's words: the statements as pairs of a label and a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

Fields = list[tuple[str, str]]
Part = Mapping[str, Any]


def summary(statements: tuple[Mapping[str, object], ...]) -> Fields:
    """The statements of a receipt, first the provenance, then our own, as labelled lines."""
    provenance: Part = statements[0]["predicate"]  # type: ignore[assignment]  # the verifier read its form
    told: Part = statements[1]["predicate"]  # type: ignore[assignment]
    return [
        *_build(provenance["buildDefinition"], provenance["runDetails"], told),
        *_key(told),
        *_machine(told["machine"]),
        *_commands(told),
        *_secrets(told),
        *_log(told),
    ]


def _build(definition: Part, details: Part, told: Part) -> Iterator[tuple[str, str]]:
    asked = definition["externalParameters"]
    yield "build", str(told["invocationId"])
    if told["project"] is not None:
        yield "project", str(told["project"])
    yield "source", str(asked["source"]) + (f" at {asked['ref']}" if asked["ref"] else "")
    for each in definition["resolvedDependencies"]:
        if each["name"] == "source":
            tree = " with what lay in the working tree" if asked["workingTree"] else ""
            yield "commit", each["digest"]["gitCommit"] + tree
        else:
            yield "image", f"{asked['image']}, {each['uri'].removeprefix('urn:sealock:image:')}"
    for each in details["byproducts"]:
        yield "plan", f"sha256:{each['digest']['sha256']}"
    yield "outcome", str(told["outcome"])
    yield "started", str(told["startedOn"])
    yield "finished", f"{told['finishedOn']}  {_after(told['startedOn'], told['finishedOn'])}"
    yield "signed by", details["builder"]["id"].rpartition(":")[2]


def _key(told: Part) -> Iterator[tuple[str, str]]:
    key, start = told["key"], told["startedOn"]
    if key is None or key["openedAt"] is None:
        yield "key", "none was opened"
    else:
        yield "key", f"{key['fingerprint']} version {key['version']}"
        for earlier in key["earlier"]:
            yield "earlier", f"{earlier['openedAt']} to {earlier['removedAt'] or 'NOT SEEN'}"
        yield "opened", f"{key['openedAt']}  {_after(start, key['openedAt'])}"
        yield "removed", f"{key['removedAt'] or 'NOT SEEN'}  {_after(start, key['removedAt'])}"
    first = told["firstCommandAt"]
    yield "first command", f"{first}  {_after(start, first)}" if first else "none ran"


def _machine(machine: Part | None) -> Iterator[tuple[str, str]]:
    if machine is None:
        yield "machine", "none was started"
        return
    yield "machine", f"{machine['id']}, {machine['origin']}, {machine['acceleration']}"
    yield "host key", str(machine["hostKeyFingerprint"])
    yield "network", str(machine["networkPolicy"])
    for entered in machine["states"]:
        yield entered["state"], str(entered["at"])
    yield "ended", str(machine["ending"] or "nobody knows how")
    yield "process gone", str(machine["processReapedAt"] or "NOT SEEN")
    yield "memory free", str(machine["memoryFreeAt"] or "NOT SEEN")
    yield "on disk", _bytes(machine["diskBytesWritten"])
    yield "peak memory", _bytes(machine["peakMemoryBytes"])
    for limit in machine["limits"]:
        how = f"by {limit['mechanism']}" if limit["enforced"] else "NOT ENFORCED"
        yield "limit", f"{limit['name']} {limit['value']}, {how}"


def _commands(told: Part) -> Iterator[tuple[str, str]]:
    """A line a step: in a long build the commands are many, and none has a name here."""
    steps: dict[str, list[Part]] = {}
    for command in told["commands"]:
        steps.setdefault(command["step"], []).append(command)
    for step, commands in steps.items():
        failed = [_exit(command) for command in commands if command["exitCode"] != 0]
        took = sum(command["milliseconds"] for command in commands) / 1000
        count = f"{len(commands)} command{'s' * (len(commands) != 1)}"
        yield "step", f"{step}: {count}, {took:.1f} s" + (f", {', '.join(failed[:5])}" if failed else "")


def _secrets(told: Part) -> Iterator[tuple[str, str]]:
    """Nothing in a receipt from before there was anything to say."""
    for each in told.get("releases", ()):
        when = f"{each['at']}  {_after(told['startedOn'], each['at'])}"
        yield "secret", f"{each['name']} ({each['kind']}) version {each['version']} to {each['step']}, {when}"
    if told.get("releases") == []:
        yield "secrets", "none were released"


def _log(told: Part) -> Iterator[tuple[str, str]]:
    if "log" not in told:
        return
    log = told["log"]
    if log is None:
        yield "log", "none was kept"
        return
    end = "complete" if log["complete"] else "NOT COMPLETE"
    yield "log", f"{log['lines']:,} lines, {_bytes(log['size'])}, {end}, sha256:{log['digest']['sha256']}"


def _exit(command: Part) -> str:
    return "one stopped" if command["exitCode"] is None else f"one ended with {command['exitCode']}"


def _after(start: str, moment: str | None) -> str:
    if moment is None:
        return ""
    passed = (datetime.fromisoformat(moment) - datetime.fromisoformat(start)).total_seconds()
    return f"({passed:+.3f} s)"


def _bytes(count: int | None) -> str:
    return "not measured" if count is None else f"{count:,} bytes"
