"""What a run is asked for, and the ports it works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sealock.builds.checkout import CheckoutPorts
from sealock.builds.described import Described
from sealock.builds.leases import BelongsTo, Prepare, nothing_to_prepare
from sealock.builds.pinned import Pinned
from sealock.builds.step_secrets import Bring, nothing_to_bring
from sealock.core.image import Images
from sealock.core.lease import Leases
from sealock.core.log import NewLogs, NewMasker
from sealock.core.machine import Machines
from sealock.core.plan import Plan, PlanReader
from sealock.core.project import Project, ProjectReader
from sealock.core.receipt import Receipts
from sealock.core.repository import Repositories
from sealock.core.sealed import SealedReader
from sealock.core.source import Source

Planned = Callable[[Plan, Described], None]
"""Told once the code is there and it is known what will run."""


@dataclass(frozen=True)
class Known:
    """What a server knows of a build before it runs. run: the id of this attempt, 32 hexadecimal digits.
    ref: as somebody asked for it, whatever is fetched. branch: None if it is not known to be one."""

    run: str
    ref: str | None
    branch: str | None


@dataclass(frozen=True)
class RunRequest:
    """What to build. pipelines: none named means all. image: instead of the one the plan names.

    project: whose key and secrets. For a RemoteSource found by its address when it is not given; a
    directory belongs to none unless it is. pinned: the versions of its secrets to ask for, instead of the
    newest. known: of a build of a server; its branch counts, not what the fetch found. planned: None for
    nobody who wants to be told.
    """

    source: Source
    pipelines: tuple[str, ...] = ()
    image: str | None = None
    project: Project | None = None
    pinned: Pinned | None = None
    known: Known | None = None
    planned: Planned | None = None


@dataclass(frozen=True)
class SecretPorts:
    """What a build gets secrets with. values: a project's, sealed. protected_branches: names; a build of
    one of these may have what is for protected branches only. bring: awaited before values are
    looked at."""

    leases: Leases
    values: SealedReader
    belongs_to: BelongsTo
    new_masker: NewMasker
    logs: NewLogs
    protected_branches: tuple[str, ...] = ()
    prepare: Prepare = nothing_to_prepare
    bring: Bring = nothing_to_bring


@dataclass(frozen=True)
class RunPorts:
    """The same for every run. default_image: of the machine that a repository elsewhere is first
    fetched into, before its plan is known. receipts: None where whoever asked for the run signs them."""

    machines: Machines
    images: Images
    repositories: Repositories
    projects: ProjectReader
    receipts: Receipts | None
    checkout: CheckoutPorts
    secrets: SecretPorts
    read_plan: PlanReader
    default_image: str
