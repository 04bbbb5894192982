"""The way of one build: machine, fetch, plan, setup, tests.

A repository on this host is asked for its `sealock.yml` before anything starts. One elsewhere can only
be read inside a machine, because nothing but a machine ever gets at its code. So the first machine is
started by the defaults; if the plan then asks for another one, or for more of the history, that machine
is ended without having run anything of the user's, and one that fits is started. Each machine serves
one run, and the record is about the one that ran the steps.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sealock.builds.checkout import checkout
from sealock.builds.commit_files import commit_files
from sealock.builds.console import tell_console
from sealock.builds.described import Described
from sealock.builds.leases import BuildLeases, Commit, LeasedKey, prepared
from sealock.builds.logged import logged
from sealock.builds.masked import mask_error, masked
from sealock.builds.phases import phase
from sealock.builds.pinned import must_be_of
from sealock.builds.reported import fingerprint
from sealock.builds.request import RunPorts, RunRequest
from sealock.builds.step_secrets import Found, StepSecrets, find_secrets
from sealock.builds.steps import environment, run_steps
from sealock.builds.verdict import Verdict, after_steps
from sealock.builds.watcher import Watcher
from sealock.builds.witness import WitnessedAgents
from sealock.core.build import BuildRecord
from sealock.core.errors import TemporaryError, UsageError
from sealock.core.event import NO_IMAGE, Notice
from sealock.core.image import Image
from sealock.core.lease import HeldLease
from sealock.core.log import Masker
from sealock.core.machine import Machine, MachineSpec, NetworkPolicy
from sealock.core.plan import Plan
from sealock.core.project import Project, owner_of
from sealock.core.repository import Repository
from sealock.core.source import Checkout, DirectorySource, RemoteSource

PLAN_FILE = "sealock.yml"
PLAN_LIMIT = 1 << 20
"""Bytes a configuration file may have before it is looked at."""

MOST_MACHINES = 3


@dataclass(frozen=True)
class Needs:
    """What a plan asks of its machine and of the fetch."""

    image: Image
    spec: MachineSpec
    depth: int
    submodules: bool


@dataclass(frozen=True)
class Work:
    """What a machine is to do once the code is there. found: the secrets its steps name. project: whose
    they are. done: the code. branch: None if what is built is not known to be one. described: None if the
    commit was not read in the machine."""

    plan: Plan
    found: Found
    project: Project | None
    done: Checkout
    branch: str | None
    described: Described | None = None


class Way:
    """One build under way. record: of the latest machine that came up, None while none has."""

    def __init__(self, ports: RunPorts, request: RunRequest, watcher: Watcher) -> None:
        self._ports = ports
        self._request = request
        self._watcher = watcher
        self._emit = watcher.emit
        self._id = request.known.run if request.known else secrets.token_hex(16)
        self._started_at = time.time()
        self._leases = BuildLeases(ports.secrets.leases, self._id)
        self._masker: Masker | None = None
        self.record: BuildRecord | None = None

    async def go(self) -> tuple[BuildRecord, Verdict]:
        """Go it to the end of the steps; every machine is gone when this returns or raises."""
        source = self._request.source
        if isinstance(source, DirectorySource):
            must_be_of(self._request.project, self._request.pinned)
            return await self._from_directory(source)
        project = self._project(source)
        must_be_of(project, self._request.pinned)
        async with prepared(self._ports.secrets.prepare):
            return await self._from_remote(source, project)

    async def _from_directory(self, source: DirectorySource) -> tuple[BuildRecord, Verdict]:
        async with self._ports.repositories.open(source) as repository:
            plan = self._read_plan(await repository.read_file(PLAN_FILE, PLAN_LIMIT))
            found = await self._find_secrets(plan, self._request.project)
            needs = self._needs(plan, submodules=plan.submodules)
            record = self._begin(needs, plan)
            async with self._machine(needs, record) as machine:
                done = await self._fetch(machine, needs, record, repository=repository)
                branch = None if source.working_tree else repository.branch
                work = Work(plan, found, self._request.project, done, branch)
                said = await self._steps(machine, work, record)
            return record, after_steps(said, record)

    async def _from_remote(self, source: RemoteSource, project: Project) -> tuple[BuildRecord, Verdict]:
        needs = self._first_guess()
        key_uses: list[tuple[float, float | None]] = []
        for _ in range(MOST_MACHINES):
            record = self._begin(needs, None, project)
            record.earlier_key_uses = list(key_uses)
            async with self._machine(needs, record) as machine:
                done = await self._fetch(machine, needs, record, project=project)
                # Read anew in each machine: a branch may have moved on since the last one.
                plan, wanted, described = await self._plan_in(machine, done)
                record.plan_digest, record.pipelines = plan.digest, _pipelines(plan)
                said = None
                if wanted == needs:
                    found = await self._find_secrets(plan, project)
                    work = Work(plan, found, project, done, self._branch(done), described)
                    said = await self._steps(machine, work, record)
            if said is not None:
                return record, after_steps(said, record)
            if record.key_opened_at is not None:
                key_uses.append((record.key_opened_at, record.key_removed_at))
            self._emit(Notice(f"{PLAN_FILE} asks for another machine: {_difference(needs, wanted)}"))
            needs = wanted
        raise TemporaryError(
            f"{PLAN_FILE} kept changing while it was fetched", resolution="Run it again with --ref COMMIT."
        )

    async def _steps(self, machine: Machine, work: Work, record: BuildRecord) -> Verdict:
        env = environment(work.plan, work.done, record, work.branch)
        ports = self._ports.secrets
        if self._request.planned is not None and work.described is not None:
            self._request.planned(work.plan, work.described)
        async with self._lease(work) as lease, self._logged(work, record) as watcher:
            masker = self._masker = ports.new_masker()
            secrets = StepSecrets(work.found, lease, ports.values, masker, record.releases, bring=ports.bring)
            shown = masked(watcher, secrets.masker)
            try:
                said = await run_steps(
                    machine, work.plan, record, shown, directory=work.done.directory, env=env, secrets=secrets
                )
            except Exception as error:  # which may quote what the machine answered
                mask_error(error, masker)
                raise
            return dataclasses.replace(said, reason=masker.text(said.reason))

    @asynccontextmanager
    async def _logged(self, work: Work, record: BuildRecord) -> AsyncIterator[Watcher]:
        """What a project's build prints is kept in its sealed log; others' is shown and forgotten."""
        if work.project is None:
            yield self._watcher
            return
        log = await self._ports.secrets.logs.begin(owner_of(work.project.id), record.id)
        try:
            async with logged(self._watcher, log) as watcher:
                yield watcher
        finally:
            record.log = log.summary()

    @asynccontextmanager
    async def _lease(self, work: Work) -> AsyncIterator[HeldLease | None]:
        """None where no step names a secret: nothing is leased that is not needed."""
        if not work.found or work.project is None:
            yield None
            return
        names = [tuple(s.name for s in work.found.get(step.full_name, ())) for step in work.plan.steps]
        protected = work.branch in self._ports.secrets.protected_branches
        found_on = work.branch if work.done.origin is None else work.done.branch
        commit = Commit(work.done.origin, work.branch, found_on, protected)
        async with self._leases.steps(work.project, work.plan, names, commit) as lease:
            yield lease

    def _branch(self, done: Checkout) -> str | None:
        return self._request.known.branch if self._request.known else done.branch

    async def _find_secrets(self, plan: Plan, project: Project | None) -> Found:
        names = {name for step in plan.steps for name in step.secrets}
        if names:
            await self._ports.secrets.bring(names, self._request.pinned)
        return find_secrets(plan, project, self._ports.secrets.values, self._request.pinned)

    def _project(self, source: RemoteSource) -> Project:
        project = self._request.project or self._ports.projects.for_address(source.address)
        if project is None:
            raise UsageError(
                f"No project builds {source.address}",
                resolution=f"Add it with `sealock project add NAME {source.address}` and install its key.",
            )
        return project

    def _read_plan(self, text: bytes | None) -> Plan:
        return self._ports.read_plan(
            text, file=PLAN_FILE, pipelines=self._request.pipelines, image=self._request.image
        )

    async def _plan_in(self, machine: Machine, done: Checkout) -> tuple[Plan, Needs, Described]:
        async with commit_files(machine, done) as files:
            plan = self._read_plan(await files.read(PLAN_FILE, PLAN_LIMIT))
            wanted = plan.submodules and await files.read(".gitmodules", PLAN_LIMIT) is not None
            return plan, self._needs(plan, submodules=wanted), await files.describe()

    def _needs(self, plan: Plan, *, submodules: bool) -> Needs:
        image = self._image(plan.image)
        server = self._git_server() if plan.network is NetworkPolicy.GIT_ONLY else None
        spec = MachineSpec(image.digest, plan.memory_mib, plan.cpus, plan.disk_mib, plan.network, server)
        return Needs(image, spec, plan.depth, submodules)

    def _image(self, name: str) -> Image:
        """That there is none a build can use is told as a phase that failed: a restart alone does not help,
        and who shows the build is to know that without reading its reason."""
        try:
            return self._ports.images.find(name)
        except UsageError:
            with phase(self._emit, NO_IMAGE):
                raise

    def _git_server(self) -> tuple[str, int] | None:
        source, project = self._request.source, self._request.project
        if isinstance(source, RemoteSource):
            return source.address.host, source.address.port
        return (project.address.host, project.address.port) if project else None

    def _first_guess(self) -> Needs:
        """Submodules are left out: one that cannot be fetched must not hide the plan that says so."""
        image = self._request.image or self._ports.default_image
        return self._needs(Plan(image, steps=()), submodules=False)

    def _begin(self, needs: Needs, plan: Plan | None, project: Project | None = None) -> BuildRecord:
        """A record for the next machine; the build keeps its id and the time it started."""
        source, image = self._request.source, needs.image
        record = BuildRecord(
            id=self._id,
            source=_name(source),
            ref=self._request.known.ref if self._request.known else source.ref,
            commit=None,
            working_tree=isinstance(source, DirectorySource) and source.working_tree,
            pipelines=_pipelines(plan) if plan else self._request.pipelines,
            image_name=image.name,
            image_digest=image.digest,
            image_content=image.content,
            plan_digest=plan.digest if plan else "",
            started_at=self._started_at,
        )
        if self._request.project is not None:
            record.project = self._request.project.name
        if project is not None:
            record.project, record.key_version = project.name, project.sealed_key.version
            record.key_fingerprint = fingerprint(project.public_key)
        return record

    @asynccontextmanager
    async def _machine(self, needs: Needs, record: BuildRecord) -> AsyncIterator[Machine]:
        """A machine, with the phases `machine` and `end` around its life."""
        async with AsyncExitStack() as stack:
            with phase(self._emit, "machine") as starting:
                machine = await stack.enter_async_context(self._ports.machines.machine(needs.spec))
                starting.detail = f"{machine.record.origin} of {needs.image.name}"
            self.record, record.machine = record, machine.record
            try:
                yield machine
            finally:
                with phase(self._emit, "end"):
                    await stack.aclose()
                # A console shows what the build wrote to it, too.
                masker = self._masker
                tell_console(machine, masked(self._watcher, masker).emit if masker else self._emit)

    async def _fetch(
        self,
        machine: Machine,
        needs: Needs,
        record: BuildRecord,
        *,
        project: Project | None = None,
        repository: Repository | None = None,
    ) -> Checkout:
        agents = WitnessedAgents(self._ports.checkout.agents, record)
        keys = LeasedKey(self._leases, self._ports.projects, self._ports.secrets.belongs_to)
        with phase(self._emit, "fetch") as fetching:
            done = await checkout(
                machine,
                self._request.source,
                needs.depth,
                needs.submodules,
                ports=dataclasses.replace(self._ports.checkout, agents=agents),
                emit=self._emit,
                project=project,
                keys=keys,
                repository=repository,
            )
            fetching.detail = done.commit[:12]
        record.commit = done.commit
        return done


def first_machine(image: Image) -> MachineSpec:
    """What a build of a repository elsewhere begins with, before its plan can be read."""
    usual = Plan(image.name, steps=())
    return MachineSpec(image.digest, usual.memory_mib, usual.cpus, usual.disk_mib, usual.network)


def _name(source: DirectorySource | RemoteSource) -> str:
    if isinstance(source, RemoteSource):
        return str(source.address)
    return f"directory:{source.path.resolve().name}"


def _pipelines(plan: Plan) -> tuple[str, ...]:
    return tuple(step.name for step in plan.steps if step.kind == "test")


def _difference(had: Needs, wanted: Needs) -> str:
    words = []
    if wanted.image != had.image:
        words.append(f"image {wanted.image.name}")
    if wanted.spec.network != had.spec.network:
        words.append(f"network {wanted.spec.network}")
    if (wanted.depth, wanted.submodules) != (had.depth, had.submodules):
        words.append(f"depth {wanted.depth}" + ", with submodules" * wanted.submodules)
    return "; ".join(words) or (
        f"{wanted.spec.memory_mib} MiB memory, {wanted.spec.cpus} processors, {wanted.spec.disk_mib} MiB disk"
    )
