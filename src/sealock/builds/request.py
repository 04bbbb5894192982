"""What a run is asked for, and the ports it works with."""

from __future__ import annotations

from dataclasses import dataclass

from sealock.builds.checkout import CheckoutPorts
from sealock.core.image import Images
from sealock.core.machine import Machines
from sealock.core.plan import PlanReader
from sealock.core.project import Project, Projects
from sealock.core.receipt import Receipts
from sealock.core.repository import Repositories
from sealock.core.source import Source


@dataclass(frozen=True)
class RunRequest:
    """What to build. pipelines: none named means all. image: instead of the one the plan names.

    project: for a RemoteSource; found by the source's address when it is not given.
    """

    source: Source
    pipelines: tuple[str, ...] = ()
    image: str | None = None
    project: Project | None = None


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
    read_plan: PlanReader
    default_image: str
