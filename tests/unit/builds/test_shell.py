"""Commands run one by one in one bash, and whatever a command does has a sensible end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealock.builds.shell import Shell, ShellEnded, Silent, open_shell
from sealock.core.errors import TemporaryError, UsageError
from sealock.core.machine import Machine, MachineSpec
from sealock.machines.fake import FakeMachines, Faults
from tests.support.processes import is_running

pytestmark = pytest.mark.anyio


class Log:
    """Keeps what a command wrote."""

    def __init__(self) -> None:
        self.data = b""

    async def __call__(self, data: bytes) -> None:
        assert data
        self.data += data


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with FakeMachines(tmp_path).machine(MachineSpec(image="none")) as machine:
        yield machine


@pytest.fixture
async def shell(machine: Machine) -> AsyncIterator[Shell]:
    async with open_shell(machine, env={"GIVEN": "a b"}) as shell:
        yield shell


async def say(shell: Shell, *commands: str) -> tuple[int | ShellEnded, bytes]:
    """Run commands in order; how the last one came out and what it wrote."""
    for command in commands[:-1]:
        assert await shell.run(command, Log(), silence=10) == 0, command
    log = Log()
    return await shell.run(commands[-1], log, silence=10), log.data


@pytest.mark.parametrize(
    ("commands", "output"),
    [
        (["cd /usr", "pwd"], b"/usr\n"),
        (["x=1", "export y=2; f() { echo $x$y; }", "f"], b"12\n"),
        (["declare -A map; map[a]=1", "echo ${map[a]}"], b"1\n"),
        (["shopt -s extglob nullglob", "echo /nothing/@(a|b)"], b"\n"),
        (["echo $GIVEN"], b"a b\n"),
        (["exec 2>/dev/null", "ls /no/such || true"], b""),
        (["echo one\necho two"], b"one\ntwo\n"),
        (["cat <<END\n  text $((1+1))\nEND"], b"  text 2\n"),
        (["printf 'no newline'"], b"no newline"),
        (["printf '\\0\\377\\0'"], b"\0\xff\0"),
        (["echo err >&2; echo out"], b"err\nout\n"),
        (["cat"], b""),
        (['read -r line; echo "<$line>"'], b"<>\n"),
        (["echo a\\\nb"], b"ab\n"),
        (["echo a # comment"], b"a\n"),
        ([""], b""),
        (["# nothing"], b""),
        (["break", "continue", "echo still"], b"still\n"),
        (["set -x", "set +x", "echo quiet"], b"quiet\n"),
        (["IFS=a", "set -f", "set -u", "set -o pipefail", "echo 'bab ' *"], b"bab  *\n"),
        (["printf() { echo mine; }; read() { :; }; set() { :; }; eval() { :; }", "printf x"], b"mine\n"),
        (["trap 'true' DEBUG ERR EXIT", "echo x"], b"x\n"),
        (["echo $0 $#"], b"bash 0\n"),
        (["env | grep -ci sealock; true"], b"0\n"),
    ],
)
async def test_state_and_output(shell: Shell, commands: list[str], output: bytes) -> None:
    assert await say(shell, *commands) == (0, output)


@pytest.mark.parametrize(
    ("command", "code", "word"),
    [
        ("false", 1, b""),
        ("(exit 200)", 200, b""),
        ("no-such-program", 127, b"bash: line 1: no-such-program: command not found"),
        ("true\nno-such-program", 127, b"bash: line 2: "),
        ("if", 2, b"syntax error"),
        ("echo 'open", 2, b"unexpected EOF"),
        (")", 2, b"syntax error"),
        ("return 3", 2, b"return"),
        ("bash -c 'kill -TERM $$'", 143, b""),
        ("cd /no/such", 1, b"No such file"),
    ],
)
async def test_a_failed_command_leaves_the_shell_alive(
    shell: Shell, command: str, code: int, word: bytes
) -> None:
    ended, written = await say(shell, command)
    assert ended == code
    assert word in written
    assert await say(shell, "echo alive") == (0, b"alive\n")


@pytest.mark.parametrize(
    ("commands", "code", "output"),
    [
        (["exit 3"], 3, b""),
        (["break 9"], 0, b""),
        (["echo bye; exit"], 0, b"bye\n"),
        (["exec sh -c 'echo other; exit 5'"], 5, b"other\n"),
        (["exec no-such-program"], 127, None),
        (["set -e", "false; echo never"], 1, b""),
        (["set -e", "set -e; (exit 4)"], 4, b""),
        (["kill $$; sleep 5"], 143, None),
        (["kill -9 $$; sleep 5"], 137, b""),
        (["set -u", "echo $nothing; echo never"], 127, None),
        (["trap 'echo last' EXIT", "exit 6"], 6, b"last\n"),
        (["printf '\\0'; exit 2"], 2, b"\0"),
    ],
)
async def test_a_command_may_end_the_shell(
    shell: Shell, commands: list[str], code: int, output: bytes | None
) -> None:
    ended, written = await say(shell, *commands)
    assert ended == ShellEnded(code)
    assert output is None or written == output
    assert await say(shell, "echo again") == (ShellEnded(code), b"")


async def test_a_child_in_the_background_holds_nothing_up(shell: Shell) -> None:
    begun = time.monotonic()
    assert await say(shell, "sleep 300 & echo started") == (0, b"started\n")
    assert await say(shell, "echo next") == (0, b"next\n")
    assert time.monotonic() - begun < 60


async def test_what_the_background_writes_comes_with_the_next_command(shell: Shell) -> None:
    late = "until [ -e go ]; do sleep 0.01; done; echo late; touch said"
    assert await say(shell, f"({late}) &") == (0, b"")
    assert await say(shell, "touch go; until [ -e said ]; do sleep 0.01; done; echo now") == (
        0,
        b"late\nnow\n",
    )


async def test_redirecting_the_shell_does_not_lose_its_end(shell: Shell, machine: Machine) -> None:
    assert await say(shell, f"exec >{machine.home}/log 2>&1 </etc/hostname", "echo hidden") == (0, b"")
    assert await say(shell, f"cat {machine.home}/log >/proc/self/fd/199") == (0, b"hidden\n")


async def test_markers_of_other_commands_are_output(shell: Shell) -> None:
    ended, written = await say(shell, "printf '\\0%032d 1 0\\n' 0; printf '\\0'; false")
    assert (ended, written) == (1, b"\0" + b"0" * 32 + b" 1 0\n\0")
    ended, written = await say(shell, "printf '\\0%s 1 0\\n' \"$__sealock_nonce\"; (exit 9)")
    assert ended == 9
    assert written.startswith(b"\0")
    assert written.endswith(b" 1 0\n")


async def test_a_trace_shows_the_users_commands_only(shell: Shell) -> None:
    assert await say(shell, "set -x", "echo hi") == (0, b"++ echo hi\nhi\n")


async def test_silence_is_told_and_a_slow_reader_is_not_silence(shell: Shell) -> None:
    async def slow(_: bytes) -> None:
        await asyncio.sleep(1.2)

    assert await shell.run("echo a; sleep 0.1; echo b", slow, silence=1) == 0
    begun = time.monotonic()
    with pytest.raises(Silent):
        await shell.run("echo a; sleep 300", Log(), silence=0.3)
    assert time.monotonic() - begun < 60


async def test_output_keeps_silence_away(shell: Shell) -> None:
    log = Log()
    command = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done"
    assert await shell.run(command, log, silence=1.4) == 0
    assert log.data == b"1\n2\n3\n4\n5\n6\n7\n8\n"


async def test_an_outer_timeout_stays_a_timeout(shell: Shell) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await shell.run("sleep 300", Log(), silence=60)


async def test_output_comes_as_soon_as_it_is_written(shell: Shell) -> None:
    written = asyncio.Event()

    async def note(_: bytes) -> None:
        written.set()

    running = asyncio.create_task(shell.run("printf now; sleep 300", note))
    async with asyncio.timeout(60):
        await written.wait()
    running.cancel()
    await asyncio.wait([running])


async def test_a_flood_passes(shell: Shell) -> None:
    size = 0

    async def count(data: bytes) -> None:
        nonlocal size
        size += len(data)

    assert await shell.run("head -c 50000000 /dev/zero", count) == 0
    assert size == 50_000_000


async def test_a_nul_in_a_command_is_refused(shell: Shell) -> None:
    with pytest.raises(UsageError):
        await shell.run("echo a\0b", Log())


async def test_a_lost_machine_is_told(tmp_path: Path) -> None:
    machines = FakeMachines(tmp_path, Faults(cut_after=1000))
    async with machines.machine(MachineSpec(image="none")) as machine, open_shell(machine) as shell:
        log = Log()
        with pytest.raises(TemporaryError, match="connection was lost"):
            await shell.run("head -c 5000 /dev/zero; sleep 300", log)
        assert log.data == bytes(1000)


async def test_the_shell_is_killed_with_all_it_started(machine: Machine) -> None:
    async with open_shell(machine, cwd="/usr") as shell:
        assert await say(shell, "pwd") == (0, b"/usr\n")
        _, written = await say(shell, "sleep 300 & echo $!")
    runs = 'grep -q "^State:.[^Z]" "/proc/$1/status" 2>/dev/null'
    looking = f"for _ in $(seq 300); do {runs} || exit 0; sleep 0.1; done; exit 1"
    assert (await machine.run(["bash", "-c", looking, "bash", written.decode().strip()])).exit_code == 0


async def test_a_program_that_closed_its_output_may_not_go_on_for_ever(shell: Shell) -> None:
    with pytest.raises(Silent):
        await shell.run("exec sleep 300 >&- 2>&- 199>&-", Log(), silence=0.3)


async def test_a_shell_that_ended_between_commands_is_told(shell: Shell, machine: Machine) -> None:
    _, process = await say(shell, "echo $$")
    waiting = "until [ -e go ]; do sleep 0.01; done"
    assert await say(shell, f"({waiting}; echo last words; kill -9 $$) &") == (0, b"")
    Path(machine.home, "go").touch()
    async with asyncio.timeout(60):
        while is_running(int(process)):  # noqa: ASYNC110 - nothing tells when it has ended
            await asyncio.sleep(0.01)
    assert await say(shell, "echo next") == (ShellEnded(137), b"last words\n")
