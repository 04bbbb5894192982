"""The model of `sealock.yml`: every field, its default and its meaning.

Strict: nothing is converted, nothing unknown is passed over. A field added here appears in the schema
for editors, and `told` needs no change; `plan` says what it does to a build.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sealock.core.machine import NetworkPolicy
from sealock.core.plan import Plan, Timeouts
from sealock.pipeline.commands import Commands
from sealock.pipeline.decode import decode
from sealock.pipeline.fields import (
    DEEPEST_CHECKOUT,
    MOST_CPUS,
    Disk,
    Duration,
    Environment,
    ImageName,
    Memory,
    PipelineName,
    SecretNames,
)
from sealock.pipeline.problem import Problem, config_error
from sealock.pipeline.refuse import refuse
from sealock.pipeline.told import told
from sealock.pipeline.tree import Node, parse

DEFAULT_IMAGE = "python"
EXAMPLE = """\
    image: python
    setup:
      - pip install .
    test:
      - pytest
"""
# What a guest keeps for programs while files fill the RAM disk.
_MEMORY_BESIDE_DISK_MIB = 64


class Section(BaseModel):
    """A mapping with known fields only."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class TimeoutsSection(Section):
    """When a build is stopped."""

    silence: Duration = Timeouts().silence
    """The longest time without any output."""
    total: Duration = Timeouts().total
    """The longest time for all commands together."""

    @model_validator(mode="after")
    def _silence_within_total(self) -> Self:
        if self.silence > self.total:
            raise refuse(
                f"is longer than the total time of {self.total / 60:g} minutes",
                "Shorten it, or set a longer `timeouts.total`.",
                at="silence",
            )
        return self


class MachineSection(Section):
    """What the machine is given."""

    memory: Memory = Plan.memory_mib
    """The machine's memory, 128 MiB to 64 GiB."""
    cpus: Annotated[int, Field(ge=1, le=MOST_CPUS)] = Plan.cpus
    """How many processors."""
    disk: Disk = 0
    """How much of the memory files may take. Three quarters of it if not given, and at most
    all but 64 MiB."""

    @property
    def disk_mib(self) -> int:
        """How much files may take, in MiB."""
        return self.disk or min(self.memory * 3 // 4, self._most_disk_mib)

    @property
    def _most_disk_mib(self) -> int:
        return self.memory - _MEMORY_BESIDE_DISK_MIB

    @model_validator(mode="after")
    def _disk_within_memory(self) -> Self:
        if self.disk > self._most_disk_mib:
            raise refuse(
                f"files live in memory; of {self.memory} MiB they may take {self._most_disk_mib} MiB at most",
                "Make `machine.memory` larger or `machine.disk` smaller.",
                at="disk",
            )
        return self


class CheckoutSection(Section):
    """What is fetched of the repository."""

    depth: Annotated[int, Field(ge=0, le=DEEPEST_CHECKOUT)] = Plan.depth
    """How many commits of history; 0 for all of it."""
    submodules: bool = Plan.submodules
    """Whether submodules on the same Git server are fetched too."""


class Pipeline(Section):
    """A named list of commands."""

    commands: Commands
    """What runs, one command after the other, in one shell."""
    secrets: SecretNames = ()
    """Names of the project's secrets that these commands get, and no others because of it."""


def _by_name(value: object) -> object:
    if isinstance(value, str | list):
        return {"test": {"commands": value}}
    if isinstance(value, dict) and value:
        return {name: body if isinstance(body, dict) else {"commands": body} for name, body in value.items()}
    raise refuse(
        "must be a list of commands, or names with a list of commands each",
        "Begin each command with `- `.",
        seen=True,
    )


Pipelines = Annotated[
    dict[PipelineName, Pipeline],
    BeforeValidator(_by_name, json_schema_input_type=str | list[str] | dict[str, str | list[str] | Pipeline]),
]


class Configuration(Section):
    """What `sealock.yml` says."""

    image: ImageName = DEFAULT_IMAGE
    """The image the machine starts from: its name, or its digest."""
    setup: Commands = ()
    """Commands that run before any pipeline; the build fails with the first that fails."""
    test: Pipelines
    """Commands that tell whether the code is good: a list, or several named ones."""
    environment: Environment = {}
    """Variables every command gets. Not for secrets: this file is part of the repository."""
    timeouts: TimeoutsSection = TimeoutsSection()
    """When a build is stopped."""
    machine: MachineSection = MachineSection()
    """What the machine is given."""
    network: Annotated[NetworkPolicy, Field(strict=False)] = Plan.network
    """Where the machine may connect to: `none`, `git-only` or `internet`."""
    checkout: CheckoutSection = CheckoutSection()
    """What is fetched of the repository."""


def read(text: bytes, file: str = "sealock.yml") -> Configuration:
    """The configuration in a file's bytes. file: its name, for messages.

    ConfigError, with the position of every mistake that could be found.
    """
    decoded = decode(text)
    if isinstance(decoded, Problem):
        raise config_error(file, [decoded])
    root, problems = parse(decoded)
    if root is None or root.entries is None:
        raise config_error(file, problems or [_not_a_configuration(root)])
    try:
        configuration = Configuration.model_validate(root.plain())
    except ValidationError as error:
        raise config_error(file, [*problems, *told(error, root, Configuration)]) from error
    if problems:
        raise config_error(file, problems)
    return configuration


def _not_a_configuration(root: Node | None) -> Problem:
    resolution = f"A small example:\n{EXAMPLE}"
    if root is None or (root.items is None and root.scalar is None):
        return Problem(1, 1, "the file is empty", resolution)
    return Problem(root.line, root.column, "the file must be a mapping of fields to values", resolution)
