"""Makes the two statements of a receipt out of a build's record.

Nothing is measured or decided here: what the record says is written down, also when it shows that a promise
was broken. Characters that could not be printed are replaced; everything else goes in as it is.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from pydantic import ValidationError

from sealock import __version__
from sealock.core.build import BuildRecord, SecretRelease
from sealock.core.errors import PermanentError
from sealock.core.log import LogSummary
from sealock.core.machine import MachineRecord
from sealock.ledger.predicates import (
    BUILDER_PREFIX,
    LONGEST_TEXT,
    BuildDefinition,
    Builder,
    Byproduct,
    CommandRun,
    ExternalParameters,
    GitCommit,
    KeyPeriod,
    KeyUse,
    LimitSet,
    MachineLife,
    Metadata,
    Provenance,
    ProvenanceStatement,
    ReceiptPredicate,
    ReceiptStatement,
    Release,
    Resource,
    RunDetails,
    SealedLog,
    Sha256,
    StateEntered,
    Subject,
    rfc3339,
)


def statements(record: BuildRecord, key_id: str) -> tuple[ProvenanceStatement, ReceiptStatement]:
    """The provenance and the receipt of a build that has ended. key_id: the installation that signs them.

    PermanentError if the record lacks what every receipt must say.
    """
    if record.outcome is None or record.ended_at is None:
        raise PermanentError(f"build {_text(record.id)} has not ended: there is no receipt of it yet")
    try:
        provenance = ProvenanceStatement(
            subject=(_subject(record),),
            predicate=Provenance(
                build_definition=_definition(record), run_details=_run_details(record, key_id)
            ),
        )
        return provenance, ReceiptStatement(
            subject=provenance.subject, predicate=_receipt(record, provenance.canonical())
        )
    except ValidationError as error:
        raise PermanentError(
            f"the record of build {_text(record.id)} cannot be made into a receipt",
            details="\n".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()),
        ) from error


def _subject(record: BuildRecord) -> Subject:
    """The commit; for a build that ended before it knew its commit, the plan, else the image."""
    if record.commit:
        return Subject(name=_text(record.source), digest=GitCommit(git_commit=record.commit))
    if record.plan_digest:
        return Subject(name="plan", digest=_sha256(record.plan_digest))
    return Subject(name="image", digest=_sha256(record.image_content))


def _definition(record: BuildRecord) -> BuildDefinition:
    dependencies = [
        Resource(
            name="image",
            uri=f"urn:sealock:image:{_text(record.image_digest)}",
            digest=_sha256(record.image_content),
        )
    ]
    if record.commit:
        dependencies.append(
            Resource(name="source", uri=_uri(record.source), digest=GitCommit(git_commit=record.commit))
        )
    return BuildDefinition(
        external_parameters=ExternalParameters(
            source=_text(record.source),
            ref=_maybe_text(record.ref),
            pipelines=tuple(_text(name) for name in record.pipelines),
            image=_text(record.image_name),
            working_tree=record.working_tree,
        ),
        resolved_dependencies=tuple(dependencies),
    )


def _run_details(record: BuildRecord, key_id: str) -> RunDetails:
    assert record.ended_at is not None
    plan = (Byproduct(name="plan", digest=_sha256(record.plan_digest)),) if record.plan_digest else ()
    return RunDetails(
        builder=Builder(id=BUILDER_PREFIX + key_id, version={"sealock": __version__}),
        metadata=Metadata(
            invocation_id=record.id,
            started_on=rfc3339(record.started_at),
            finished_on=rfc3339(record.ended_at),
        ),
        byproducts=plan,
    )


def _receipt(record: BuildRecord, provenance: bytes) -> ReceiptPredicate:
    assert record.ended_at is not None and record.outcome is not None
    return ReceiptPredicate(
        invocation_id=record.id,
        provenance=Sha256(sha256=hashlib.sha256(provenance).hexdigest()),
        project=_maybe_text(record.project),
        outcome=record.outcome,
        started_on=rfc3339(record.started_at),
        finished_on=rfc3339(record.ended_at),
        first_command_at=_maybe_time(record.first_command_at),
        key=_key_use(record),
        machine=_machine_life(record.machine) if record.machine else None,
        commands=tuple(
            CommandRun(
                step=_text(command.step),
                exit_code=command.exit_code,
                milliseconds=round(command.seconds * 1000),
            )
            for command in record.commands
        ),
        log=None if record.log is None else _log(record.log),
        releases=tuple(_release(each) for each in record.releases),
    )


def _log(log: LogSummary) -> SealedLog:
    return SealedLog(digest=_sha256(log.digest), lines=log.lines, size=log.size, complete=log.complete)


def _release(release: SecretRelease) -> Release:
    return Release.model_validate(
        {
            "step": _text(release.step),
            "kind": release.kind.value,
            "name": release.name,
            "version": release.version,
            "at": rfc3339(release.at),
        }
    )


def _key_use(record: BuildRecord) -> KeyUse | None:
    if record.key_fingerprint is None and record.key_opened_at is None and record.key_removed_at is None:
        return None
    return KeyUse(
        fingerprint=_maybe_text(record.key_fingerprint),
        version=record.key_version,
        opened_at=_maybe_time(record.key_opened_at),
        removed_at=_maybe_time(record.key_removed_at),
        earlier=tuple(
            KeyPeriod(opened_at=rfc3339(opened), removed_at=_maybe_time(removed))
            for opened, removed in record.earlier_key_uses
        ),
    )


def _machine_life(machine: MachineRecord) -> MachineLife:
    return MachineLife(
        id=_text(machine.id),
        image=_text(machine.image),
        origin=machine.origin,
        acceleration=_text(machine.acceleration),
        network_policy=machine.network,
        host_key_fingerprint=_text(machine.host_key_fingerprint),
        states=tuple(StateEntered(state=state, at=rfc3339(at)) for state, at in machine.states),
        limits=tuple(
            LimitSet(
                name=_text(limit.name),
                value=_text(limit.value),
                mechanism=_text(limit.mechanism),
                enforced=limit.enforced,
            )
            for limit in machine.limits
        ),
        disk_bytes_written=machine.disk_bytes_written,
        peak_memory_bytes=machine.peak_memory_bytes,
        ending=machine.ending,
        process_reaped_at=_maybe_time(machine.process_reaped_at),
        memory_free_at=_maybe_time(machine.memory_free_at),
    )


def _uri(source: str) -> str:
    """As readers of provenance expect a repository's URI; `git@host:path` is none."""
    kind, _, name = source.partition(":")
    if kind == "directory":
        return f"directory:{quote(_text(name))}"
    if "://" in source:
        return f"git+{_text(source)}"
    mark = "]:" if "@[" in source else ":"
    host, _, path = _text(source).partition(mark)
    return f"git+ssh://{host}{mark[:-1]}/{path}"


def _sha256(digest: str) -> Sha256:
    return Sha256(sha256=digest.removeprefix("sha256:"))


def _text(value: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in value[:LONGEST_TEXT])


def _maybe_text(value: str | None) -> str | None:
    return None if value is None else _text(value)


def _maybe_time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
