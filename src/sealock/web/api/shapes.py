"""The JSON of the API: what it takes and what it tells, in types that are as strict as the documentation.

What is given has no unknown field, no text with control characters, nothing of another type. Times are
seconds since 1970. What is told is made of the core's words by `of` and nothing else, so that no field gets
out because a record has it.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sealock.builds.checked_settings import MOST_BRANCHES
from sealock.core.accounts import LONGEST_ACCOUNT_NAME, MOST_RUNNING
from sealock.core.accounts import Account as AccountRecord
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import BuildView, PhaseView, StepView
from sealock.core.log import LogRemoval
from sealock.core.log_retention import MOST_DAYS
from sealock.core.project import Project as ProjectRecord
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import HIGHEST_PRIORITY, LOWEST_PRIORITY, MOST_LABELS, Obstacle, Supersede
from sealock.core.worker_state import WorkerState
from sealock.core.workers import Worker as WorkerRecord
from sealock.web.bounded import Bounded
from sealock.web.written import IMAGE, LABEL_TEXT, PLAIN


def _whole(given: object) -> object:
    """JSON has one kind of number: 3.0 is the integer 3 there."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


WHOLE = BeforeValidator(_whole)
LabelText = Annotated[str, Field(pattern=LABEL_TEXT)]
Labels = Annotated[list[LabelText], Field(max_length=MOST_LABELS)]
Branch = Annotated[str, Field(min_length=1, max_length=255, pattern=PLAIN)]
Branches = Annotated[list[Branch], Field(max_length=MOST_BRANCHES)]

T = TypeVar("T")


class Given(Bounded):
    """What somebody sends."""

    model_config = ConfigDict(frozen=True)


class Told(BaseModel):
    """What we answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Items(Told, Generic[T]):
    """A part of a list. next: the `cursor` of what follows, null at the end."""

    items: list[T]
    next: str | None = None


class WrongField(Told):
    """field: which; reason: a sentence."""

    field: str
    reason: str


class Problem(BaseModel):
    """An error (RFC 9457). detail: a sentence for who asked. request_id: by which the operator finds it."""

    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    request_id: str
    detail: str | None = None
    fields: list[WrongField] | None = None


class Account(Told):
    """max_running: builds at once. weight: its share where accounts compete."""

    id: str
    name: str
    max_running: int
    weight: int
    created_at: float

    @staticmethod
    def of(record: AccountRecord) -> Account:
        return Account(**vars(record))


class AccountChange(Given):
    """What is not given stays."""

    name: Annotated[str | None, Field(min_length=1, max_length=LONGEST_ACCOUNT_NAME, pattern=PLAIN)] = None
    max_running: Annotated[int, Field(ge=0, le=MOST_RUNNING), WHOLE] | None = None


class Settings(Given):
    """What a project's people decide about its builds; docs/api.md says what each does."""

    default_branch: Branch = "main"
    protected: Branches = Field(default_factory=list)
    image: Annotated[str, Field(max_length=128, pattern=IMAGE)] = ""
    supersede: Annotated[Supersede, Field(strict=False)] = Supersede.QUEUED
    max_running: Annotated[int, Field(ge=0, le=MOST_RUNNING), WHOLE] | None = None
    priority: Annotated[int, Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY), WHOLE] = 0
    labels: Labels = Field(default_factory=list)
    one_at_a_time: Branches = Field(default_factory=list)
    keep_logs: Annotated[int, Field(ge=1, le=MOST_DAYS), WHOLE] | None = None

    @staticmethod
    def of(settings: ProjectSettings) -> Settings:
        held: dict[str, Any] = {name: getattr(settings, name) for name in Settings.model_fields}
        lists = {name: list(value) for name, value in held.items() if isinstance(value, tuple)}
        return Settings(**held | lists)

    def changes(self) -> dict[str, Any]:
        """Those that were given, as `ProjectSettings` has them."""
        given = ((name, getattr(self, name)) for name in self.model_fields_set)
        return {name: tuple(value) if isinstance(value, list) else value for name, value in given}


class Project(Told):
    """address: of its repository. host_keys: by which its Git server is known. public_key: to be installed
    there as a deploy key, for reading only. key_version: counts up with each reset."""

    id: str
    name: str
    address: str
    host_keys: list[str]
    public_key: str
    key_version: int
    created_at: float

    @staticmethod
    def of(record: ProjectRecord) -> Project:
        return Project(**_project(record))


class WholeProject(Project):
    """With its settings."""

    settings: Settings

    @staticmethod
    def with_settings(record: ProjectRecord, settings: ProjectSettings) -> WholeProject:
        return WholeProject(**_project(record), settings=Settings.of(settings))


def _project(record: ProjectRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "address": str(record.address),
        "host_keys": list(record.host_keys),
        "public_key": record.public_key,
        "key_version": record.sealed_key.version,
        "created_at": record.created_at,
    }


class Phase(Told):
    """A stretch of the latest attempt: `machine`, `fetch`, `setup`, `test:NAME`, `end`."""

    name: str
    started_at: float
    ended_at: float | None
    ok: bool | None
    detail: str

    @staticmethod
    def of(view: PhaseView) -> Phase:
        return Phase(**vars(view))


class Step(Told):
    """A step of the latest attempt. kind: setup, test or deploy. first_line: of the log, of its output."""

    number: int
    name: str
    kind: str
    state: StepState
    exit_code: int | None
    reason: str
    started_at: float | None
    ended_at: float | None
    first_line: int | None

    @staticmethod
    def of(view: StepView) -> Step:
        return Step(**vars(view))


class WaitReason(Told):
    """Why a build waits."""

    obstacle: Obstacle
    sentence: str


class Waiting(Told):
    """position: among the queued builds of its account, from 1, of so many."""

    position: int
    of: int
    reasons: list[WaitReason]


class Build(Told):
    """status: one word: queued, running, stopping, or the outcome. number: within its project. attempt: 0
    before the first. person: an id; worker: its name."""

    id: str
    account: str
    project: str
    project_name: str
    number: int
    status: str
    state: BuildState
    outcome: Outcome | None
    reason: str
    trigger: Trigger
    ref: str | None
    branch: str | None
    commit: str | None
    message: str
    author: str
    person: str | None
    pipelines: list[str]
    restart_of: str | None
    attempt: int
    protected: bool
    from_fork: bool
    stopping: bool
    worker: str | None
    created_at: float
    started_at: float | None
    ended_at: float | None

    @staticmethod
    def of(view: BuildView) -> Build:
        return Build(**_build(view))


class LogKept(Told):
    """Of the log of the latest attempt. kept_until: null while it has not ended, and for ever. removed_at:
    null while nobody removed it. removed_by: a person's id, `sealock` where it was old. removed_why: such as
    `after 30 days, as the project's settings say`; empty where a person did."""

    kept_until: float | None
    removed_at: float | None
    removed_by: str | None
    removed_why: str

    @staticmethod
    def of(until: float | None, removal: LogRemoval | None) -> LogKept:
        if removal is None:
            return LogKept(kept_until=until, removed_at=None, removed_by=None, removed_why="")
        return LogKept(kept_until=None, removed_at=removal.at, removed_by=removal.by, removed_why=removal.why)


class WholeBuild(Build):
    """With its steps and phases, why it waits, if it does, and for how long its log is kept."""

    phases: list[Phase]
    steps: list[Step]
    waiting: Waiting | None
    log: LogKept

    @staticmethod
    def whole(view: BuildView, log: LogKept) -> WholeBuild:
        waits = view.waiting
        reasons = [WaitReason(**vars(reason)) for reason in waits.reasons] if waits else []
        return WholeBuild(
            **_build(view),
            phases=[Phase.of(phase) for phase in view.phases],
            steps=[Step.of(step) for step in view.steps],
            waiting=Waiting(position=waits.position, of=waits.of, reasons=reasons) if waits else None,
            log=log,
        )


def _build(view: BuildView) -> dict[str, Any]:
    found = {name: getattr(view, name) for name in Build.model_fields}
    return found | {"pipelines": list(view.pipelines)}


class Worker(Told):
    """A build server. machines: builds at once; running: those it has now. seen_at: when it was last heard
    of. joined: whether it has its certificate. removed_at: when it was removed, where that is known. key:
    what it signs with, the public half in hexadecimal; known: whether the keeper knows that, as it said last;
    null until the worker has told."""

    id: str
    name: str
    labels: list[str]
    machines: int
    state: WorkerState
    version: str
    running: int
    joined: bool
    created_at: float
    seen_at: float | None
    removed_at: float | None
    key: str | None
    known: bool | None

    @staticmethod
    def of(record: WorkerRecord) -> Worker:
        found = {name: value for name, value in vars(record).items() if name != "certificate"}
        found |= {"labels": list(record.labels), "key": record.key.hex() if record.key else None}
        return Worker(**found, joined=record.certificate is not None)
