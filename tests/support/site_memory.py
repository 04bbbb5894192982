"""What pages and API work on, in memory: it behaves as the ports say, and forgets all at the end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sealock.builds.intake import pipelines_again
from sealock.builds.projects import HOW_TO_GET_HOST_KEYS
from sealock.core.accounts import Account
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, Trigger
from sealock.core.builds import (
    BuildFilter,
    BuildView,
    Created,
    Ended,
    NewBuild,
    Progress,
    Work,
    account_topic,
    build_topic,
)
from sealock.core.errors import UsageError
from sealock.core.project import PROJECT_NAME, Project
from sealock.core.project_records import Owned
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Claim, Fence, Order, QueueState, Wakeups
from sealock.core.release import Entry
from sealock.core.scope import Scope
from sealock.core.sealed import VARIABLE_NAME, Kind, Sealed, SealedName, SealedVersion
from sealock.core.secret import Secret
from sealock.core.worker_state import WorkerState
from sealock.core.workers import Worker
from sealock.providers.git.address import parse
from sealock.store.queue.memory import MemoryQueue, _Entry

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqvFLtPDLuCk1QQm5K0d1Gwe0xF5bOOVXmXCdvSjTn3 sealock"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFSJVb0nhkTqr4C0A8IVcN5R3qWZFbPBEmpxdb0Hj7kZ"


class MemoryAccounts:
    """`core.accounts.AccountRecords`."""

    def __init__(self) -> None:
        self.kept: dict[str, Account] = {}

    async def get(self, account: str) -> Account | None:
        return self.kept.get(account)

    async def change(self, account: str, *, name: str | None = None, max_running: int | None = None) -> bool:
        if (found := self.kept.get(account)) is None:
            return False
        limit = found.max_running if max_running is None else max_running
        self.kept[account] = replace(found, name=name or found.name, max_running=limit)
        return True


class MemoryProjects:
    """`web.ports.ProjectsPort` and `core.project_records.AllProjects`, without cryptography."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[Project, ProjectSettings]] = {}
        self.builds: MemoryBuilds | None = None

    async def all(self, account: str) -> list[Project]:
        mine = [project for (owner, _), (project, _) in self.kept.items() if owner == account]
        return sorted(mine, key=lambda project: project.name)

    async def get(self, account: str, project: str) -> Project:
        return self.kept[account, project][0]

    async def named(self, account: str, name: str) -> Project:
        for project in await self.all(account):
            if project.name == name:
                return project
        raise LookupError(name)

    async def create(self, account: str, name: str, address: str, host_keys: tuple[str, ...]) -> Project:
        where = parse(address)
        if not PROJECT_NAME.fullmatch(name):
            raise UsageError(f"{name[:80]!r} cannot be a project's name", resolution="Use a-z and 0-9.")
        if any(one.name == name or one.address == where for one in await self.all(account)):
            raise UsageError(f"there is a project {name} already", resolution="Choose another name.")
        if not host_keys:
            how = HOW_TO_GET_HOST_KEYS.format(host=where.host, port=where.port)
            raise UsageError(f"the host key of {where.host} is not known", resolution=how)
        identity = secrets.token_hex(16)
        sealed = _sealed(account, identity, name, 1)
        project = Project(identity, name, where, host_keys, PUBLIC_KEY, sealed, time.time())
        self.kept[account, identity] = project, ProjectSettings()
        return project

    async def settings(self, account: str, project: str) -> ProjectSettings:
        return self.kept[account, project][1]

    async def change(self, account: str, project: str, settings: ProjectSettings) -> None:
        self.kept[account, project] = self.kept[account, project][0], settings

    async def reset_key(self, account: str, project: str) -> Project:
        old, settings = self.kept[account, project]
        new = replace(old, sealed_key=_sealed(account, project, old.name, old.sealed_key.version + 1))
        self.kept[account, project] = new, settings
        return new

    async def remove(self, account: str, project: str, *, person: str) -> None:
        found = self.kept[account, project][0]
        assert self.builds is not None
        mine = [one for one in self.builds.kept.values() if one.project == project]
        if any(one.state is BuildState.RUNNING for one in mine):
            raise UsageError(f"a build of {found.name} runs", resolution="Wait until it ends, or cancel it.")
        for build in mine:
            del self.builds.kept[build.id]
        del self.kept[account, project]

    async def hook_secret(self, account: str, project: str) -> Secret:
        version = self.kept[account, project][1].hook_version
        return Secret(f"hook secret {version} of {project}".encode())

    async def reset_hook_secret(self, account: str, project: str) -> Secret:
        found, settings = self.kept[account, project]
        self.kept[account, project] = found, replace(settings, hook_version=settings.hook_version + 1)
        return await self.hook_secret(account, project)

    async def reset_badge(self, account: str, project: str) -> ProjectSettings:
        found, settings = self.kept[account, project]
        self.kept[account, project] = found, replace(settings, badge_version=settings.badge_version + 1)
        return self.kept[account, project][1]

    async def owned(self, project: str) -> Owned | None:
        mine = [(account, *kept) for (account, id), kept in self.kept.items() if id == project]
        return Owned(*mine[0]) if mine else None


def _sealed(account: str, project: str, name: str, version: int) -> Sealed:
    return Sealed(SealedName(account, project, Kind.SSH_KEY, name, version), 1, "none", b"", time.time())


class MemorySecrets:
    """`web.ports.SecretsPort`: it keeps what it is given, for tests to look at. projects: whose."""

    def __init__(self, projects: MemoryProjects) -> None:
        self._projects = projects
        self.values: dict[SealedName, bytes] = {}
        self.scopes: dict[SealedName, Scope] = {}
        self.versions: list[SealedVersion] = []

    async def all(self, account: str, project: str) -> list[SealedVersion]:
        await self._projects.get(account, project)
        mine = [one for one in self.versions if (one.name.account, one.name.project) == (account, project)]
        return sorted(mine, key=lambda one: (one.name.kind, one.name.name, one.name.version))

    async def keep(
        self, account: str, project: str, *, kind: Kind, name: str, value: Secret, scope: Scope
    ) -> SealedName:
        before = [one.name for one in await self.all(account, project) if one.name.name == name]
        if kind is Kind.VARIABLE and not VARIABLE_NAME.fullmatch(name):
            raise UsageError(f"{name[:80]!r} cannot be a variable's name", resolution="Use A-Z and _.")
        if any(one.kind is not kind for one in before):
            raise UsageError(f"{name} is of another kind", resolution="Remove it first.")
        full = SealedName(account, project, kind, name, len(before) + 1)
        self.values[full], self.scopes[full] = value.reveal(), scope
        self.versions.append(SealedVersion(full, time.time()))
        value.forget()
        return full

    async def remove(self, account: str, project: str, name: str, version: int | None = None) -> int:
        ended = [
            one
            for one in await self.all(account, project)
            if one.name.name == name and version in (None, one.name.version) and not one.destroyed_at
        ]
        for one in ended:
            self.versions.remove(one)
            self.versions.append(replace(one, destroyed_at=time.time()))
        return len(ended)


class MemoryBuilds:
    """`core.builds.BuildRecords` over a queue in memory."""

    def __init__(self, projects: MemoryProjects, wakeups: Wakeups) -> None:
        self.kept: dict[str, BuildView] = {}
        self.receipts: dict[tuple[str, int], bytes] = {}
        self.queue = RecordingQueue(wakeups, self)
        self._projects, self._wakeups = projects, wakeups
        self._deliveries: dict[tuple[str, str], str] = {}
        projects.builds = self

    async def create(self, account: str, new: NewBuild, protected: bool) -> Created:
        try:
            project = await self._projects.get(account, new.project)
        except LookupError as error:
            raise UsageError("there is no such project") from error
        if new.delivery and (new.project, new.delivery) in self._deliveries:
            return Created(self._deliveries[new.project, new.delivery], new=False)
        build = self._view(account, project, new, protected)
        self.kept[build.id] = build
        self._deliveries[new.project, new.delivery] = build.id
        await self.queue.enqueue(Order(build.id, account, new.project))
        await self._wakeups.tell(account_topic(account))
        return Created(build.id, new=True)

    def _view(self, account: str, project: Project, new: NewBuild, protected: bool) -> BuildView:
        number = max([one.number for one in self.kept.values() if one.project == project.id], default=0) + 1
        return BuildView(
            id=secrets.token_hex(16),
            account=account,
            project=project.id,
            project_name=project.name,
            number=number,
            state=BuildState.QUEUED,
            outcome=None,
            reason="",
            trigger=new.trigger,
            ref=new.ref,
            branch=new.branch,
            commit=new.commit,
            message=new.message,
            author=new.author,
            person=new.person,
            pipelines=new.pipelines,
            restart_of=new.restart_of,
            attempt=0,
            protected=protected,
            from_fork=new.from_fork,
            created_at=time.time(),
            started_at=None,
            ended_at=None,
            secrets_of=new.secrets_of,
        )

    async def get(self, account: str, build: str) -> BuildView | None:
        found = self.kept.get(build)
        if found is None or found.account != account:
            return None
        return replace(found, waiting=await self.queue.why(build))

    async def numbered(self, account: str, project: str, number: int) -> BuildView | None:
        for one in self.kept.values():
            if (one.account, one.project, one.number) == (account, project, number):
                return one
        return None

    async def page(self, account: str, which: BuildFilter) -> Sequence[BuildView]:
        newest = [one for one in reversed(self.kept.values()) if one.account == account]
        if which.before is not None:
            ids = [one.id for one in newest]
            if which.before not in ids:
                raise UsageError("there is no such page")
            newest = newest[ids.index(which.before) + 1 :]
        wanted = {
            name: value
            for name in ("project", "branch", "state", "outcome", "commit")
            if (value := getattr(which, name)) is not None
        } | ({"person": which.mine} if which.mine else {})
        fits = [one for one in newest if all(getattr(one, name) == value for name, value in wanted.items())]
        return [replace(one, steps=(), phases=()) for one in fits[: which.limit]]

    async def latest_of_branches(self, account: str, branches: Sequence[tuple[str, str]]) -> list[BuildView]:
        found: list[BuildView] = []
        for project, branch in branches:
            page = await self.page(account, BuildFilter(project, branch, BuildState.ENDED, limit=1))
            found += page
        return found

    async def last_green(self, account: str, build: BuildView) -> BuildView | None:
        which = BuildFilter(build.project, build.branch, outcome=Outcome.GREEN, before=build.id, limit=1)
        page = await self.page(account, which)
        return self.kept[page[0].id] if page else None

    async def work(self, fence: Fence) -> Work | None:
        build = self.kept.get(fence.build)
        if build is None or not self._has(fence):
            return None
        project, settings = self._projects.kept[build.account, build.project]
        return Work(build, project, settings)

    async def progress(self, fence: Fence, progress: Progress) -> bool:
        if not self._has(fence):
            return False
        commit = progress.commit or self.kept[fence.build].commit
        self._put(fence.build, phases=progress.phases, steps=progress.steps, commit=commit)
        await self._wakeups.tell(build_topic(fence.build))
        return True

    async def end(self, fence: Fence, ended: Ended) -> bool:
        if not await self.queue.finish(fence, ended.outcome, ended.reason):
            return False
        if ended.receipt is not None:
            self.receipts[fence.build, fence.attempt] = ended.receipt
        await self.tell(fence.build)
        return True

    async def receipt(self, account: str, build: str, attempt: int | None = None) -> bytes | None:
        if await self.get(account, build) is None:
            return None
        of = [number for one, number in self.receipts if one == build and attempt in (None, number)]
        return self.receipts[build, max(of)] if of else None

    async def tell(self, build: str) -> None:
        """Wake who looks at it."""
        await self._wakeups.tell(build_topic(build))
        await self._wakeups.tell(account_topic(self.kept[build].account))

    def _has(self, fence: Fence) -> bool:
        build = self.kept.get(fence.build)
        return (
            build is not None
            and build.state is BuildState.RUNNING
            and (build.attempt, build.worker) == (fence.attempt, fence.worker)
        )

    def _put(self, build: str, **changed: object) -> None:
        self.kept[build] = replace(self.kept[build], **changed)  # type: ignore[arg-type]


class RecordingQueue(MemoryQueue):
    """A queue that writes into the builds' records what the database's does."""

    def __init__(self, wakeups: Wakeups, builds: MemoryBuilds) -> None:
        super().__init__(wakeups)
        self._builds = builds

    async def claim(self, worker: str) -> Claim | None:
        claim = await super().claim(worker)
        if claim is not None:
            attempt = claim.fence.attempt
            self._set(claim.fence.build, BuildState.RUNNING, attempt=attempt, worker=worker)
            self._set(claim.fence.build, BuildState.RUNNING, started_at=time.time())
            await self._builds.tell(claim.fence.build)
        return claim

    async def cancel(self, build: str, reason: str) -> QueueState | None:
        to = await super().cancel(build, reason)
        if to is QueueState.STOPPING:
            self._set(build, BuildState.RUNNING, stopping=True)
        if to is not None:
            await self._builds.tell(build)
        return to

    def _end(self, entry: _Entry, to: QueueState, outcome: Outcome, why: str) -> None:
        super()._end(entry, to, outcome, why)
        ended = {"outcome": outcome, "reason": why, "ended_at": time.time(), "stopping": False}
        self._set(entry.order.build, BuildState.ENDED, **ended)

    def _set(self, build: str, state: BuildState, **changed: object) -> None:
        kept = self._builds.kept
        kept[build] = replace(kept[build], state=state, **changed)  # type: ignore[arg-type]


@dataclass
class MemoryIntake:
    """`web.ports.IntakePort`."""

    builds: MemoryBuilds
    projects: MemoryProjects

    async def start(
        self,
        account: str,
        project: str,
        *,
        ref: str | None,
        pipelines: tuple[str, ...],
        person: str | None,
        delivery: str = "",
    ) -> Created:
        settings = await self.projects.settings(account, project)
        if ref is not None and (ref.startswith("-") or not ref.isprintable() or " " in ref):
            raise UsageError("ref: this cannot be a branch, a tag or a commit")
        branch = settings.default_branch if ref is None else ref
        new = NewBuild(project, Trigger.PERSON, ref, branch, person=person, pipelines=pipelines)
        return await self.builds.create(account, replace(new, delivery=delivery), protected=False)

    async def restart(
        self,
        account: str,
        build: str,
        *,
        failed_only: bool,
        person: str | None,
        only: tuple[str, ...] = (),
        delivery: str = "",
    ) -> Created:
        old = await self.builds.get(account, build)
        if old is None:
            raise LookupError(build)
        if old.state is not BuildState.ENDED:
            raise UsageError("the build has not ended", resolution="Wait until it has, or cancel it.")
        pipelines = pipelines_again(old, only, failed_only=failed_only)
        new = NewBuild(old.project, Trigger.RESTART, old.ref, old.branch, old.commit, person=person)
        again = replace(
            new,
            pipelines=pipelines,
            restart_of=build,
            message=old.message,
            author=old.author,
            delivery=delivery,
        )
        return await self.builds.create(account, again, old.protected)


class MemoryWorkers:
    """`core.workers.WorkerRecords`. hosts are the queue's: they are not added to it."""

    def __init__(self) -> None:
        self.kept: dict[str, Worker] = {}

    async def add(self, name: str, labels: tuple[str, ...], machines: int) -> Worker:
        if await self.named(name) is not None:
            raise UsageError(f"there is a worker {name} already", resolution="Choose another name.")
        identity = secrets.token_hex(16)
        worker = Worker(identity, name, labels, machines, WorkerState.ACTIVE, "", time.time(), None)
        self.kept[identity] = worker
        return worker

    async def all(self) -> list[Worker]:
        return sorted(self.kept.values(), key=lambda one: (one.state is WorkerState.REVOKED, one.name))

    async def named(self, name: str) -> Worker | None:
        live = [one for one in await self.all() if one.state is not WorkerState.REVOKED]
        return next((one for one in live if one.name == name), None)

    async def by_certificate(self, digest: bytes) -> Worker | None:
        live = [one for one in await self.all() if one.state is not WorkerState.REVOKED]
        return next((one for one in live if one.certificate == digest), None)

    async def joined(self, worker: str, certificate: bytes, certificate_before: bytes | None = None) -> bool:
        found = self.kept[worker]
        fits = found.state is not WorkerState.REVOKED and found.certificate == certificate_before
        if fits:
            self.kept[worker] = replace(found, certificate=certificate)
        return fits

    async def hello(self, worker: str, version: str, machines: int, labels: tuple[str, ...]) -> None:
        said = replace(self.kept[worker], version=version, machines=machines, labels=labels)
        self.kept[worker] = replace(said, state=WorkerState.ACTIVE, seen_at=time.time())

    async def revoke(self, worker: str) -> bool:
        there = worker in self.kept
        if there:
            self.kept[worker] = replace(self.kept[worker], state=WorkerState.REVOKED, removed_at=time.time())
        return there


class MemoryInvites:
    """`web.ports.InvitesPort`."""

    async def invite(self, name: str) -> Secret:
        return Secret(f"invitation-of-{name}-{secrets.token_urlsafe(16)}".encode())


@dataclass
class MemoryExposures:
    """`core.release.Exposures`. entries: by build."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)

    async def exposures(self, *builds: str) -> list[Entry]:
        return [entry for build in builds for entry in self.entries.get(build, [])]


class MemoryIdempotency:
    """`web.ports.IdempotencyPort`."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[bytes, tuple[int, bytes] | None]] = {}

    async def begin(self, caller: str, key: str, request: bytes) -> tuple[int, bytes] | bool:
        found = self.kept.get((caller, key))
        if found is None:
            self.kept[caller, key] = request, None
            return True
        if found[0] != request:
            raise UsageError("this key was used for another request", resolution="Use a new one for each.")
        return found[1] or False

    async def finish(self, caller: str, key: str, status: int, body: bytes) -> None:
        self.kept[caller, key] = self.kept[caller, key][0], (status, body)

    async def give_up(self, caller: str, key: str) -> None:
        self.kept.pop((caller, key), None)
