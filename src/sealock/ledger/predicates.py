"""What a receipt may say: two in-toto statements, field by field.

The first is SLSA provenance v1, which stock tools read. The second is our own predicate: what was measured
about the machine, its key and its end. Neither has room for a command's text, its output or a value from
the environment: a receipt is made to be shown around. Every field is there in every receipt, empty or
not, and an unknown one is refused.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel

from sealock.core.build import Outcome
from sealock.core.machine import Ending, MachineState, NetworkPolicy, Origin
from sealock.core.sealed import SEALED_NAME

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PROVENANCE_TYPE: Final = "https://slsa.dev/provenance/v1"
# The project has no domain of its own to point to yet, and a name under somebody else's would be a lie.
RECEIPT_TYPE: Final = "urn:sealock:receipt:v1"
BUILD_TYPE: Final = "urn:sealock:build:v1"
BUILDER_PREFIX = "urn:sealock:installation:"

LONGEST_TEXT = 4096


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as UTC to the millisecond. Earlier times come first in alphabetical order too."""
    milliseconds = round(seconds * 1000)
    moment = datetime.fromtimestamp(math.floor(milliseconds / 1000), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _is_time(value: str) -> str:
    moment = datetime.fromisoformat(value)
    if value != f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z":
        raise ValueError("not a time in UTC with milliseconds")
    return value


def _is_printable(value: str) -> str:
    """Receipts are shown in terminals; one that could move the cursor is refused."""
    if not value.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return value


Time = Annotated[str, Field(max_length=24), AfterValidator(_is_time)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_is_printable)]
Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CommitHex = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
BuildId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Part(BaseModel):
    """Names are lowerCamelCase in JSON, as in-toto has them."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True
    )

    def canonical(self) -> bytes:
        """The one spelling of it: JSON with sorted keys, no spaces and no characters but ASCII."""
        return json.dumps(
            self.model_dump(mode="json", by_alias=True), sort_keys=True, separators=(",", ":")
        ).encode()


class Sha256(Part):
    sha256: Sha256Hex


class GitCommit(Part):
    git_commit: CommitHex


class Subject(Part):
    """What the build was about: the commit, or the nearest thing known when it ended."""

    name: Text
    digest: GitCommit | Sha256


class Resource(Part):
    """Something that went into the build."""

    name: Literal["source", "image"]
    uri: Text
    digest: GitCommit | Sha256


class Byproduct(Part):
    name: Literal["plan"]
    digest: Sha256


class ExternalParameters(Part):
    """Everything a person outside chose. The commands are in the commit (`sealock.yml`) and in the plan's
    digest."""

    source: Text
    ref: Text | None
    pipelines: tuple[Text, ...]
    image: Text
    working_tree: bool


class BuildDefinition(Part):
    build_type: Literal["urn:sealock:build:v1"] = BUILD_TYPE
    external_parameters: ExternalParameters
    resolved_dependencies: tuple[Resource, ...]


class Builder(Part):
    id: Annotated[str, Field(pattern=rf"^{BUILDER_PREFIX}[0-9a-f]{{64}}$")]
    version: dict[Literal["sealock"], Text]


class Metadata(Part):
    invocation_id: BuildId
    started_on: Time
    finished_on: Time


class RunDetails(Part):
    builder: Builder
    metadata: Metadata
    byproducts: tuple[Byproduct, ...]


class Provenance(Part):
    build_definition: BuildDefinition
    run_details: RunDetails


class ProvenanceStatement(Part):
    """The statement stock tools read."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(default=STATEMENT_TYPE, alias="_type")
    subject: tuple[Subject]
    predicate_type: Literal["https://slsa.dev/provenance/v1"] = PROVENANCE_TYPE
    predicate: Provenance


class KeyPeriod(Part):
    opened_at: Time
    removed_at: Time | None


class KeyUse(Part):
    """The project's key: which one, and when it was opened and removed. earlier: the same for machines
    of this build that turned out not to fit and ran no command."""

    fingerprint: Text | None
    version: Count | None
    opened_at: Time | None
    removed_at: Time | None
    earlier: tuple[KeyPeriod, ...]


class StateEntered(Part):
    state: MachineState
    at: Time


class LimitSet(Part):
    name: Text
    value: Text
    mechanism: Text
    enforced: bool


class MachineLife(Part):
    """What was measured about the machine. Sizes in bytes."""

    id: Text
    image: Text
    origin: Origin
    acceleration: Text
    network_policy: NetworkPolicy
    host_key_fingerprint: Text
    states: tuple[StateEntered, ...]
    limits: tuple[LimitSet, ...]
    disk_bytes_written: Count | None
    peak_memory_bytes: Count | None
    ending: Ending | None
    process_reaped_at: Time | None
    memory_free_at: Time | None


class CommandRun(Part):
    """A command without its text. exit_code None: it was stopped."""

    step: Text
    exit_code: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None
    milliseconds: Count


class SealedLog(Part):
    """The build's log, as its sealed file is kept. lines, size: of the output in it, in bytes. complete: it
    was closed; else it is what could be kept."""

    digest: Sha256
    lines: Count
    size: Count
    complete: bool


class Release(Part):
    """A secret that came for a step, by name. Its value is nowhere in a receipt, nor anything made of it."""

    step: Text
    kind: Literal["variable", "file"]
    name: Annotated[str, Field(pattern=f"^{SEALED_NAME.pattern}$")]
    version: Annotated[int, Field(ge=1, lt=2**53)]
    at: Time


ADDED = frozenset({"log", "releases"})
"""Fields that receipts did not have at first. Those receipts stay valid, so they must stay as they were."""


class ReceiptPredicate(Part):
    """provenance: SHA-256 of the payload of the other statement, which ties the two together. log: None where
    none was begun."""

    invocation_id: BuildId
    provenance: Sha256
    project: Text | None
    outcome: Outcome
    started_on: Time
    finished_on: Time
    first_command_at: Time | None
    key: KeyUse | None
    machine: MachineLife | None
    commands: tuple[CommandRun, ...]
    log: SealedLog | None = None
    releases: tuple[Release, ...] = ()

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len(ADDED & self.model_fields_set) not in {0, len(ADDED)}:
            raise ValueError(f"has one of {', '.join(sorted(ADDED))} without the others")
        return self

    @model_serializer(mode="wrap")
    def _as_it_was(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without fields that were added later, where it was read without them."""
        absent = ADDED - self.model_fields_set
        return {name: value for name, value in write(self).items() if name not in absent}


class ReceiptStatement(Part):
    """The statement of our own."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(default=STATEMENT_TYPE, alias="_type")
    subject: tuple[Subject]
    predicate_type: Literal["urn:sealock:receipt:v1"] = RECEIPT_TYPE
    predicate: ReceiptPredicate
