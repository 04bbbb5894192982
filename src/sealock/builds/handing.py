"""Hands a step its secrets in the machine, and takes them back when it ends.

Variables go into the step's shell through its own input, never into an argument. Files go into a new
directory on the guest's tmpfs that only the build's user can enter; `SEALOCK_SECRETS` says where. What
the step's commands made of them, and what they left running, is theirs.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sealock.builds.shell import Shell, ShellEnded
from sealock.builds.step_secrets import Given
from sealock.core.errors import TemporaryError
from sealock.core.machine import Machine
from sealock.core.sealed import Kind

MEMORY = "/dev/shm"  # noqa: S108 - a tmpfs of the guest; the directory in it has a name nobody can guess
VARIABLE = "SEALOCK_SECRETS"


@asynccontextmanager
async def handed(machine: Machine, shell: Shell, given: Sequence[Given]) -> AsyncIterator[None]:
    """While the block lasts the shell has them. The values are forgotten once they are there.

    TemporaryError if the machine does not take them."""
    if not given:
        yield
        return
    directory = f"{MEMORY}/sealock-{secrets.token_hex(16)}"
    files = [each for each in given if each.kind is Kind.FILE]
    variables = {each.name: each.value.reveal() for each in given if each.kind is Kind.VARIABLE}
    try:
        if files:
            await _write(machine, directory, files)
            variables[VARIABLE] = directory.encode()
    finally:
        for each in given:
            each.value.forget()
    await _quietly(shell, "; ".join(f"builtin export {name}={quoted(v)}" for name, v in variables.items()))
    yield
    # Only where the step came to its end: otherwise the machine is ended next, with all that is in it.
    await _take_back(machine, shell, list(variables), directory if files else None)


async def _write(machine: Machine, directory: str, files: Sequence[Given]) -> None:
    await _must(machine, ["mkdir", "-m", "0700", "--", directory])
    for each in files:
        # Constant shell text; the name is an argument and the value comes by the input.
        keep = ["sh", "-c", 'umask 077; exec cat > "$1"', "sh", f"{directory}/{each.name}"]
        await _must(machine, keep, each.value.reveal())


async def _must(machine: Machine, argv: list[str], stdin: bytes = b"") -> None:
    done = await machine.run(argv, stdin=stdin)
    if done.exit_code != 0:
        raise TemporaryError(
            "a secret could not be handed to its step", details=done.stderr.decode(errors="replace").strip()
        )


async def _take_back(machine: Machine, shell: Shell, names: Sequence[str], directory: str | None) -> None:
    """A machine that is lost, or a shell that has ended, has nothing to be taken from."""
    try:
        if names and not shell.ended:
            await _quietly(shell, f"builtin unset -v {' '.join(names)}")
        if directory is not None:
            await machine.run(["rm", "-rf", "--", directory])
    except TemporaryError:
        return


async def _quietly(shell: Shell, command: str) -> None:
    """Run a command of ours in the shell; what it prints, such as a trace, is nobody's business."""

    async def drop(_: bytes) -> None:
        return

    ended = await shell.run(f"{{ {command}; }} 2>/dev/null", drop, silence=60.0)
    if isinstance(ended, ShellEnded) or ended != 0:
        raise TemporaryError(
            "a secret could not be handed to its step", details="the step's shell did not take it"
        )


def quoted(value: bytes) -> str:
    """As Bash reads it back to the same bytes, in letters it cannot take for anything else."""
    return "$'" + "".join(f"\\x{byte:02x}" for byte in value) + "'"
