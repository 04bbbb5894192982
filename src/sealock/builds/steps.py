"""Runs a plan's steps in a machine: every command in one shell, until one fails or time is up.

One shell for all of it, so that what the setup leaves (directory, variables) is there for the tests, as
when the commands are typed. The first command that fails ends the build.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from sealock.builds.handing import handed
from sealock.builds.phases import phase
from sealock.builds.shell import Shell, ShellEnded, Silent, open_shell
from sealock.builds.step_secrets import StepSecrets
from sealock.builds.verdict import Verdict
from sealock.builds.watcher import Watcher
from sealock.core.build import BuildRecord, CommandResult, Outcome
from sealock.core.errors import TemporaryError
from sealock.core.event import CommandEnded, CommandStarted, Output
from sealock.core.machine import Machine
from sealock.core.plan import Plan, Step
from sealock.core.source import Checkout


async def run_steps(
    machine: Machine,
    plan: Plan,
    record: BuildRecord,
    watcher: Watcher,
    *,
    directory: str,
    env: Mapping[str, str],
    secrets: StepSecrets,
) -> Verdict:
    """Run them all in `directory`; the verdict says how. TemporaryError if the machine is lost, and what
    releasing a step's secrets raises."""
    said: Verdict | None = None
    steps = _Steps(machine, plan, record, watcher, secrets)
    try:
        async with asyncio.timeout(plan.timeouts.total) as limit:
            async with open_shell(machine, env=env, cwd=directory) as shell:
                said = await steps.run(shell)
    except TimeoutError:
        if not limit.expired():
            raise
        return said or Verdict(Outcome.TOO_LONG, f"it ran for longer than {plan.timeouts.total:g} seconds")
    except TemporaryError:
        # What could not be killed once the steps were through is gone with its machine.
        if said is None:
            raise
    return said


def environment(plan: Plan, done: Checkout, record: BuildRecord, branch: str | None) -> dict[str, str]:
    """What the commands find besides the machine's own: the plan's, which may change CI, and ours."""
    env = {"CI": "true", **plan.environment}
    env |= {"SEALOCK": "true", "SEALOCK_BUILD_ID": record.id, "SEALOCK_COMMIT": done.commit}
    if record.ref is not None:
        env["SEALOCK_REF"] = record.ref
    if branch is not None:
        env["SEALOCK_BRANCH"] = branch
    return env


class _Steps:
    """The steps of one build, on their way."""

    def __init__(
        self, machine: Machine, plan: Plan, record: BuildRecord, watcher: Watcher, secrets: StepSecrets
    ) -> None:
        self._machine = machine
        self._plan = plan
        self._record = record
        self._secrets = secrets
        self._left = sum(len(step.commands) for step in plan.steps)
        self._emit = watcher.emit
        self._drained = watcher.drained

    async def run(self, shell: Shell) -> Verdict:
        for step in self._plan.steps:
            with phase(self._emit, step.full_name) as going_on:
                given = await self._secrets.release(step, self._emit)
                async with handed(self._machine, shell, given):
                    failed = await self._run_step(shell, step)
                if failed is not None:
                    going_on.ok, going_on.detail = False, failed.reason
                    return failed
        return Verdict(Outcome.GREEN)

    async def _run_step(self, shell: Shell, step: Step) -> Verdict | None:
        for line in step.commands:
            self._left -= 1
            failed = await self._run_command(shell, step, line, self._left)
            if failed is not None:
                return failed
        return None

    async def _run_command(self, shell: Shell, step: Step, line: str, left: int) -> Verdict | None:
        """None if it went well and the next one may follow; `left` is how many would."""
        number, began = len(self._record.commands) + 1, time.monotonic()
        ended: int | ShellEnded | None = None
        self._begin(number, line)
        try:
            ended = await shell.run(line, self._output, silence=self._plan.timeouts.silence)
        except Silent as silent:
            return Verdict(Outcome.SILENT, f"`{line}`: {silent}")
        finally:
            self._end(CommandResult(_step(step), line, _exit_code(ended), time.monotonic() - began))
        return judge(line, ended, left)

    def _begin(self, number: int, line: str) -> None:
        at = time.time()
        if self._record.first_command_at is None:
            self._record.first_command_at = at
        self._emit(CommandStarted(number, line, at))

    def _end(self, result: CommandResult) -> None:
        self._record.commands.append(result)
        self._emit(CommandEnded(len(self._record.commands), result.exit_code, result.seconds))

    async def _output(self, data: bytes) -> None:
        self._emit(Output(data))
        await self._drained()


def judge(line: str, ended: int | ShellEnded, left: int) -> Verdict | None:
    """What a command's end means for the build: None goes on.

    A command that ends the shell with 0 while others are still to come must not make the build green:
    they, perhaps the tests, would never have run.
    """
    code = _exit_code(ended)
    if code != 0:
        return Verdict(Outcome.RED, f"`{line}` ended with exit code {code}")
    if isinstance(ended, ShellEnded) and left:
        return Verdict(Outcome.RED, f"`{line}` ended the shell, so {left} more command(s) could not run")
    return None


def _exit_code(ended: int | ShellEnded | None) -> int | None:
    return ended.exit_code if isinstance(ended, ShellEnded) else ended


def _step(step: Step) -> str:
    return "setup" if step.kind == "setup" else step.name
