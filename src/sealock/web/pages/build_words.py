"""What a build's page says in words: how it stands, why it ran, how long things took."""

from __future__ import annotations

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import BuildView, StepView
from sealock.core.event import NO_IMAGE

_BECAUSE = {
    Trigger.PUSH: "a push",
    Trigger.TAG: "a tag",
    Trigger.PULL_REQUEST: "a pull request",
    Trigger.PERSON: "{who} asked for it",
    Trigger.RESTART: "{who} restarted",
    Trigger.SCHEDULE: "its schedule",
}

BAD_STEPS = (StepState.FAILED, StepState.STOPPED)


def took(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 04 min`."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def longer(difference: float) -> str:
    """`+3.0 s`, or with a minus sign: than before."""
    sign = "+" if difference > 0 else "\N{MINUS SIGN}"
    return f"{sign}{took(abs(difference))}"


def because(build: BuildView, who: str) -> str:
    """Why it ran, but for its branch, which stands beside it, and for which build it repeats. who: the name
    of the person who asked, if anybody did."""
    return _BECAUSE[build.trigger].format(who=who or "a program")


def elapsed(build: BuildView, now: float) -> float | None:
    """Seconds it took or has taken, None before it began."""
    if build.started_at is None:
        return None
    return max(0.0, (now if build.ended_at is None else build.ended_at) - build.started_at)


def step_took(step: StepView, now: float) -> float | None:
    """The same of a step."""
    if step.started_at is None:
        return None
    end = step.ended_at if step.ended_at is not None else now
    return max(0.0, end - step.started_at)


def failing_step(build: BuildView) -> StepView | None:
    """The step to open: the first that did not pass, else the one that runs."""
    bad = [step for step in build.steps if step.state in BAD_STEPS]
    running = [step for step in build.steps if step.state is StepState.RUNNING]
    return next(iter(bad + running), None)


def stopped_phases(build: BuildView) -> frozenset[str]:
    """Names of the phases that did not end by themselves: those of stopped steps, and whatever a cancelled
    build was at."""
    if build.outcome is Outcome.CANCELLED:
        return frozenset(phase.name for phase in build.phases if phase.ok is not True)
    steps = (step for step in build.steps if step.state is StepState.STOPPED)
    return frozenset(step.name if step.kind == "setup" else f"{step.kind}:{step.name}" for step in steps)


def lacks_image(build: BuildView) -> bool:
    """Its worker has no image that it can use, which a restart alone does not change."""
    return build.outcome is Outcome.ERROR and any(phase.name == NO_IMAGE for phase in build.phases)


def has_failed(build: BuildView) -> bool:
    """It ended other than green."""
    return build.state is BuildState.ENDED and build.outcome is not Outcome.GREEN
