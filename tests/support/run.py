"""A Runner over fake machines with everything else real: repositories, plans, checkouts, receipts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sealock.builds.checkout import CheckoutPorts
from sealock.builds.request import RunPorts, RunRequest
from sealock.builds.run import Runner, RunResult
from sealock.core.errors import UsageError
from sealock.core.event import CommandStarted, Event, Notice, Output, PhaseEnded
from sealock.core.image import Image, Progress
from sealock.core.project import Project
from sealock.core.source import GitAddress, Source
from sealock.ledger.receipts import ReceiptFiles
from sealock.ledger.signing import InstallationKey
from sealock.ledger.verify import ReceiptVerifier
from sealock.machines.agent import SshAgents
from sealock.machines.fake import FakeMachines
from sealock.pipeline.reader import read_plan
from sealock.providers.git.address import parse
from sealock.providers.git.dial import GitDialer
from sealock.providers.git.local import LocalRepositories
from sealock.providers.git.ref import check_ref
from tests.support.leases import Vault


class FakeImages:
    """Implements `core.image.Images`: three images that nothing is in."""

    def __init__(self) -> None:
        digits = {"python": "a", "base": "b", "node": "c"}
        self.made = {name: _image(name, "sha256:" + digit * 64) for name, digit in digits.items()}

    def find(self, name: str) -> Image:
        if name not in self.made:
            raise UsageError(f"there is no image {name}", resolution="Build it.")
        return self.made[name]

    def all(self) -> list[Image]:
        return list(self.made.values())

    def build(self, recipe: str, progress: Progress) -> Image:
        return self.find(recipe)

    def remove(self, digest: str) -> None:
        raise UsageError(f"there is no image {digest}")

    def verify(self, image: Image) -> None:
        """They are whole: there is nothing in them."""

    def inputs(self, image: Image) -> Mapping[str, object]:
        return {}


def _image(name: str, digest: str) -> Image:
    place = Path("/none")
    return Image(digest, digest, name, "trixie", "build", place, place, place, 0.0, 0)


@dataclass
class FakeProjects:
    """Implements `core.project.Projects`, in memory."""

    kept: list[Project] = field(default_factory=list)

    def add(self, project: Project) -> None:
        self.kept.append(project)

    def replace(self, project: Project) -> None:
        self.remove(project.name)
        self.kept.append(project)

    def get(self, name: str) -> Project:
        return next(each for each in self.kept if each.name == name)

    def for_address(self, address: GitAddress) -> Project | None:
        return next((each for each in self.kept if each.address == address), None)

    def all(self) -> list[Project]:
        return self.kept

    def remove(self, name: str) -> None:
        self.kept = [each for each in self.kept if each.name != name]


def local_checkout(runtime: Path) -> tuple[CheckoutPorts, FakeMachines]:
    """What a build of a directory of this host takes: no Git server may be reached."""
    ports = CheckoutPorts(GitDialer([]), SshAgents(runtime), parse, check_ref)
    return ports, FakeMachines(runtime / "machines")


class Course:
    """Runs builds and keeps what was told of them."""

    def __init__(self, root: Path, runtime: Path, checkout: CheckoutPorts, machines: FakeMachines) -> None:
        self.machines = machines
        self.images = FakeImages()
        self.projects = FakeProjects()
        self.events: list[Event] = []
        self.vault = Vault(root)
        key = InstallationKey.load_or_create(root / "keys")
        self.verifier = ReceiptVerifier(key.public_key)
        self.ports = RunPorts(
            machines=machines,
            images=self.images,
            repositories=LocalRepositories(runtime),
            projects=self.projects,
            receipts=ReceiptFiles(root / "receipts", key),
            checkout=checkout,
            secrets=self.vault.ports(),
            read_plan=read_plan,
            default_image="python",
        )

    async def run(
        self,
        source: Source,
        pipelines: tuple[str, ...] = (),
        image: str | None = None,
        project: Project | None = None,
    ) -> RunResult:
        request = RunRequest(source, pipelines, image, project)
        return await Runner(self.ports).run(request, self.events.append)

    def is_authentic(self, result: RunResult) -> bool:
        """Whether there is a receipt and its signature and statements are in order."""
        return result.receipt is not None and self.verifier.verify(result.receipt.path.read_bytes()).authentic

    @property
    def output(self) -> str:
        return b"".join(each.data for each in self.events if isinstance(each, Output)).decode()

    @property
    def commands(self) -> list[str]:
        return [each.line for each in self.events if isinstance(each, CommandStarted)]

    @property
    def phases(self) -> list[tuple[str, bool]]:
        return [(each.name, each.ok) for each in self.events if isinstance(each, PhaseEnded)]

    @property
    def notices(self) -> list[str]:
        return [each.text for each in self.events if isinstance(each, Notice)]
