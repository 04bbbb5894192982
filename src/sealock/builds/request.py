"""What a run is asked for, and the ports it works with."""

from __future__ import annotations

from dataclasses import dataclass

from sealock.builds.checkout import CheckoutPorts
from sealock.builds.leases import BelongsTo, Prepare, nothing_to_prepare
from sealock.builds.pinned import Pinned
from sealock.core.image import Images
from sealock.core.lease import Leases
from sealock.core.log import BuildLogs, NewMasker
from sealock.core.machine import Machines
from sealock.core.plan import PlanReader
from sealock.core.project import Project, Projects
from sealock.core.receipt import Receipts
from sealock.core.repository import Repositories
from sealock.core.sealed import SealedValues
from sealock.core.source import Source


@dataclass(frozen=True)
class RunRequest:
    """What to build. pipelines: none named means all. image: instead of the one the plan names.

    project: whose key and secrets. For a RemoteSource found by its address when it is not given; a
    directory belongs to none unless it is. pinned: the versions of its secrets to ask for, instead of the
    newest.
    """

    source: Source
    pipelines: tuple[str, ...] = ()
    image: str | None = None
    project: Project | None = None
    pinned: Pinned | None = None


@dataclass(frozen=True)
class SecretPorts:
    """What a build gets secrets with. values: a project's, sealed. protected_branches: names; a build of
    one of these may have what is for protected branches only."""

    leases: Leases
    values: SealedValues
    belongs_to: BelongsTo
    new_masker: NewMasker
    logs: BuildLogs
    protected_branches: tuple[str, ...] = ()
    prepare: Prepare = nothing_to_prepare


@dataclass(frozen=True)
class RunPorts:
    """The same for every run. default_image: of the machine that a repository elsewhere is first
    fetched into, before its plan is known."""

    machines: Machines
    images: Images
    repositories: Repositories
    projects: Projects
    receipts: Receipts
    checkout: CheckoutPorts
    secrets: SecretPorts
    read_plan: PlanReader
    default_image: str
