"""A plan: what a build will do, as data without code.

Made from the pipeline configuration before anything starts; its digest stands in the receipt, so the
plan that ran can be compared with the file it came from.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from sealock.core.machine import NetworkPolicy

PIPELINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""What a pipeline can be called, in a sealock.yml and by whoever asks for it."""

MOST_PIPELINES = 100
"""That can be named at once, of a build that is asked for or of a secret."""


@dataclass(frozen=True)
class Step:
    """Commands that share one shell. kind: `setup` or `test`. secrets: names of the project's secrets
    that it gets, and no other step because of it."""

    kind: str
    name: str
    commands: tuple[str, ...]
    secrets: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """`setup`, or `test:NAME`: a plan's only one of that name."""
        return "setup" if self.kind == "setup" else f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Timeouts:
    """In seconds. silence: longest time without output; total: longest time for all steps."""

    silence: float = 600.0
    total: float = 3600.0


@dataclass(frozen=True)
class Plan:
    """Everything a build's machine needs to be told.

    pipelines: names of the test pipelines that will run, one after the other. depth: commits to fetch,
    0 for the whole history. environment: not secret, given to every step.
    """

    image: str
    steps: tuple[Step, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    memory_mib: int = 1024
    cpus: int = 1
    disk_mib: int = 768
    network: NetworkPolicy = NetworkPolicy.INTERNET
    depth: int = 50
    submodules: bool = True

    @property
    def digest(self) -> str:
        """`sha256:…` over the plan's canonical JSON (sorted keys, no spaces, UTF-8)."""
        told = asdict(self)
        for step in told["steps"]:
            if not step["secrets"]:  # so that plans from before there were any keep their digests
                del step["secrets"]
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class PlanReader(Protocol):
    """Makes a plan of a pipeline configuration."""

    def __call__(
        self,
        text: bytes | None,
        *,
        file: str = "sealock.yml",
        pipelines: Sequence[str] = (),
        image: str | None = None,
    ) -> Plan:
        """The plan that a configuration file's bytes describe; text None: there is no such file.

        file: its name, for error messages. pipelines: which to run, none named means all. image: used
        instead of the file's own. ConfigError for a mistake in the file, with its position; UsageError
        if the file is missing or a name in `pipelines` or `image` does not fit."""
        ...
