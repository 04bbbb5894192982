"""What every adapter of the Machine port must do, the fake included.

An adapter's test file makes a subclass whose fixture `subject` gives a machine and the means to cut it
off. Everything that runs in the machine is bash and coreutils, so that any image can be its subject.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealock.core.errors import TemporaryError, UsageError
from sealock.core.machine import Machine, Process

MIB = 1024 * 1024
TALK = 'exec 3<>"/dev/tcp/127.0.0.1/$1"; printf "%s" "$2" >&3; head -c "$3" <&3'
# Prints the id of a child in the background, then stays.
WITH_CHILD = "sleep 300 & echo $!; wait"


@dataclass(frozen=True)
class Subject:
    """A machine under test.

    cut: end its connection for good. unix_client: a command that joins its standard input and output to
    the Unix socket whose path is added as the last argument. root: `root=True` gives user id 0.
    """

    machine: Machine
    cut: Callable[[], Awaitable[None]]
    unix_client: tuple[str, ...]
    root: bool = True


async def _first_line(process: Process) -> str:
    seen = b""
    async for piece in process.output():
        seen += piece
        if b"\n" in seen:
            break
    return seen.partition(b"\n")[0].decode()


async def _is_gone(machine: Machine, pid: str, tenths: int = 300) -> bool:
    """Whether a process of the machine has ended, or does so within so long. A zombie has ended."""
    looking = """
        for i in $(seq "$2"); do
          grep -q "^State:.[^Z]" "/proc/$1/status" 2>/dev/null || exit 0
          sleep 0.1
        done
        exit 1"""
    return (await machine.run(["bash", "-c", looking, "bash", pid, str(tenths)])).exit_code == 0


@asynccontextmanager
async def echo_server(directory: Path) -> AsyncIterator[Path]:
    """A Unix socket on this side that sends everything back."""
    path = directory / "echo"
    server = await asyncio.start_unix_server(_echo, path)
    try:
        yield path
    finally:
        server.close()
        await server.wait_closed()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
    except OSError:
        writer.close()


class CommandContract:
    """Commands: what reaches them, what comes back, how they end."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "two words",
            "new\nline\n",
            "\"double\" and 'single'",
            "$(touch x) `id` $HOME ; rm -rf * | cat && echo > y",
            "--help",
            "back\\slash \\n",
            "näïve ☃",
            b"\xff\xfe not UTF-8 \xc3".decode(errors="surrogateescape"),
            "\x01\x1b[31m\x7f",
            "a=b",
        ],
    )
    async def test_an_argument_reaches_the_program_as_it_is(self, subject: Subject, text: str) -> None:
        done = await subject.machine.run(["printf", r"%s\0", text, "last"])
        assert done.stdout == os.fsencode(text) + b"\0last\0"
        assert done.exit_code == 0

    async def test_a_program_path_may_hold_an_equals_sign(self, subject: Subject) -> None:
        machine = subject.machine
        directory = (await machine.run(["mktemp", "-d"])).stdout.decode().strip()
        try:
            await machine.run(["ln", "-s", "/bin/bash", f"{directory}/a=b"])
            done = await machine.run([f"{directory}/a=b", "-c", 'echo "$X"'], env={"X": "1"})
            assert (done.exit_code, done.stdout) == (0, b"1\n")
        finally:
            await machine.run(["rm", "-r", "--", directory])

    async def test_what_no_program_can_be_given_is_refused(self, subject: Subject) -> None:
        run = subject.machine.run
        for refused in (
            run([]),
            run(["echo", "a\0b"]),
            run(["env"], env={"X": "a\0b"}),
            run(["env"], env={"X=Y": "1"}),
            run(["env"], env={"": "1"}),
            run(["env"], env={"X\n": "1"}),
            run(["pwd"], cwd="/\0"),
        ):
            with pytest.raises(UsageError):
                await refused

    async def test_variables_reach_the_command_and_nothing_of_this_process(
        self, subject: Subject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEALOCK_CANARY", "must stay here")
        value = "quote ' \" newline \n $HOME"
        env = {"VALUE": value, "arguments": "1", "IFS": "a", "UID": "7"}
        done = await subject.machine.run(["env", "-0"], env=env)
        variables = done.stdout.decode().split("\0")
        assert {f"VALUE={value}", "arguments=1", "IFS=a", "UID=7"} <= set(variables)
        assert "CANARY" not in done.stdout.decode()

    async def test_the_directory_is_the_home_or_the_one_given(self, subject: Subject) -> None:
        machine = subject.machine
        assert (await machine.run(["pwd", "-P"])).stdout.decode() == f"{os.path.realpath(machine.home)}\n"
        assert (await machine.run(["pwd"], cwd="/usr")).stdout == b"/usr\n"

    async def test_a_missing_directory_is_told(self, subject: Subject) -> None:
        done = await subject.machine.run(["pwd"], cwd="/no/such place")
        assert done.exit_code == 126
        assert b"/no/such place" in done.stderr

    @pytest.mark.parametrize("code", [0, 1, 3, 124, 255])
    async def test_the_exit_code_comes_back(self, subject: Subject, code: int) -> None:
        done = await subject.machine.run(["bash", "-c", f"exit {code}"])
        assert (done.exit_code, done.stderr) == (code, b"")

    @pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("KILL", 137), ("HUP", 129)])
    async def test_a_signal_comes_back_as_128_and_its_number(
        self, subject: Subject, name: str, code: int
    ) -> None:
        done = await subject.machine.run(["bash", "-c", f"kill -{name} $$"])
        assert done.exit_code == code

    async def test_a_missing_program_is_told(self, subject: Subject) -> None:
        done = await subject.machine.run(["no-such-program"])
        assert done.exit_code == 127
        assert b"no-such-program" in done.stderr

    async def test_both_outputs_come_back_apart(self, subject: Subject) -> None:
        done = await subject.machine.run(["bash", "-c", "printf out; printf err >&2"])
        assert (done.stdout, done.stderr) == (b"out", b"err")

    async def test_root_runs_as_root(self, subject: Subject) -> None:
        done = await subject.machine.run(["bash", "-c", 'id -u; echo "$X"; pwd'], root=True, env={"X": "1"})
        assert done.exit_code == 0
        if subject.root:
            assert done.stdout.splitlines()[:2] == [b"0", b"1"]

    async def test_a_command_is_not_spared_when_memory_runs_out(self, subject: Subject) -> None:
        done = await subject.machine.run(["cat", "/proc/self/oom_score_adj"])
        assert int(done.stdout) >= 0

    async def test_several_commands_run_at_once(self, subject: Subject) -> None:
        texts = [str(number) * 1000 for number in range(5)]
        done = await asyncio.gather(*(subject.machine.run(["echo", text]) for text in texts))
        assert [one.stdout.decode().strip() for one in done] == texts

    async def test_a_conversation(self, subject: Subject) -> None:
        async with subject.machine.process(["cat"]) as process:
            for number in range(3):
                await process.write(f"line {number}\n".encode())
                assert await _first_line(process) == f"line {number}"
            await process.close_input()
            assert [piece async for piece in process.output()] == []
            assert (await process.wait()).exit_code == 0


class FlowContract:
    """Much input, much output, and who waits for whom."""

    pytestmark = pytest.mark.anyio

    async def test_large_input_arrives_whole(self, subject: Subject) -> None:
        sent = os.urandom(MIB) * 8
        done = await subject.machine.run(["cat"], stdin=sent)
        assert done.stdout == sent

    async def test_input_that_nobody_reads_holds_nothing_up(self, subject: Subject) -> None:
        done = await subject.machine.run(["true"], stdin=bytes(8 * MIB), timeout=60)
        assert done.exit_code == 0

    async def test_a_flood_waits_for_its_reader(self, subject: Subject) -> None:
        async with subject.machine.process(["head", "-c", str(500 * MIB), "/dev/zero"]) as process:
            pieces = process.output()
            await anext(pieces)
            before = _resident_bytes()
            await asyncio.sleep(1)
            for _ in range(200):
                assert len(await anext(pieces)) <= 64 * 1024
            assert _resident_bytes() - before < 24 * MIB

    async def test_an_endless_answer_is_cut_short(self, subject: Subject) -> None:
        with pytest.raises(TemporaryError, match="answered with more"):
            await subject.machine.run(["cat", "/dev/zero"])

    async def test_standard_error_is_kept_up_to_64_kib(self, subject: Subject) -> None:
        done = await subject.machine.run(["bash", "-c", "head -c 5000000 /dev/zero >&2; echo out"])
        assert done.stdout == b"out\n"
        assert 60 * 1024 < len(done.stderr) <= 64 * 1024
        assert b"bytes of standard error were dropped" in done.stderr[-100:]


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class EndingContract:
    """What is left when a command is over: nothing."""

    pytestmark = pytest.mark.anyio

    async def test_a_timeout_kills_the_group(self, subject: Subject) -> None:
        machine = subject.machine
        file = (await machine.run(["mktemp"])).stdout.decode().strip()
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await machine.run(["bash", "-c", f'{{ {WITH_CHILD}; }} >"$1"', "bash", file], timeout=1)
        assert time.monotonic() - begun < 60
        assert await _is_gone(machine, (await machine.run(["cat", file])).stdout.decode().strip())
        await machine.run(["rm", "--", file])

    async def test_leaving_the_block_kills_the_group(self, subject: Subject) -> None:
        async with subject.machine.process(["bash", "-c", f"trap '' HUP TERM; {WITH_CHILD}"]) as process:
            child = await _first_line(process)
            assert not await _is_gone(subject.machine, child, tenths=10)
        assert await _is_gone(subject.machine, child)

    async def test_leaving_it_by_an_error_does_too(self, subject: Subject) -> None:
        with pytest.raises(ZeroDivisionError):
            async with subject.machine.process(["bash", "-c", WITH_CHILD]) as process:
                child = await _first_line(process)
                raise ZeroDivisionError
        assert await _is_gone(subject.machine, child)

    async def test_cancelling_does_too(self, subject: Subject) -> None:
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            async with subject.machine.process(["bash", "-c", WITH_CHILD]) as process:
                told.set_result(await _first_line(process))
                await process.wait()

        task = asyncio.create_task(work())
        child = await told
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await _is_gone(subject.machine, child)

    async def test_cancelling_at_any_moment_leaves_a_machine_that_works(self, subject: Subject) -> None:
        for delay in (0, 1, 2, 3, 5, 8, 13, 30, 100):
            task = asyncio.create_task(subject.machine.run(["sleep", "301.5"]))
            await asyncio.sleep(delay / 1000)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        looking = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep '[3]01.5'"
        waiting = f"for _ in $(seq 600); do {looking} || exit 0; sleep 0.1; done; exit 1"
        assert (await subject.machine.run(["bash", "-c", waiting], timeout=120)).exit_code == 0

    async def test_children_in_the_background_hold_nothing_up(self, subject: Subject) -> None:
        begun = time.monotonic()
        done = await subject.machine.run(["bash", "-c", "sleep 300 & echo $!"])
        assert time.monotonic() - begun < 60
        assert await _is_gone(subject.machine, done.stdout.decode().strip())

    async def test_a_child_that_left_the_group_holds_nothing_up_for_long(self, subject: Subject) -> None:
        begun = time.monotonic()
        done = await subject.machine.run(["bash", "-c", "setsid sleep 300 & sleep 0.3; echo $!"])
        try:
            assert time.monotonic() - begun < 60
            assert done.exit_code == 0
        finally:
            killed = await subject.machine.run(["kill", "-KILL", done.stdout.decode().strip()])
        assert killed.exit_code == 0


class ServingContract:
    """Ports and sockets of the machine that are joined to this side."""

    pytestmark = pytest.mark.anyio

    async def test_a_port_is_joined_to_this_side(self, subject: Subject, tmp_path: Path) -> None:
        async with (
            echo_server(tmp_path) as echo,
            subject.machine.serve_port(lambda: asyncio.open_unix_connection(echo)) as port,
        ):
            talks = [
                subject.machine.run(["bash", "-c", TALK, "bash", str(port), f"hello {n}", "7"])
                for n in range(3)
            ]
            assert [done.stdout for done in await asyncio.gather(*talks)] == [
                b"hello 0",
                b"hello 1",
                b"hello 2",
            ]

    async def test_much_data_passes_whole_both_ways(self, subject: Subject, tmp_path: Path) -> None:
        talk = 'exec 3<>"/dev/tcp/127.0.0.1/$1"; cat >&3 & head -c "$2" <&3; wait'
        sent = os.urandom(MIB) * 4
        async with (
            echo_server(tmp_path) as echo,
            subject.machine.serve_port(lambda: asyncio.open_unix_connection(echo)) as port,
        ):
            done = await subject.machine.run(
                ["bash", "-c", f"{{ {talk}; }} <&0", "bash", str(port), str(len(sent))], stdin=sent
            )
        assert len(done.stdout) == len(sent)
        assert done.stdout == sent

    async def test_a_connection_may_be_refused(self, subject: Subject) -> None:
        async def refuse() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            raise ConnectionRefusedError

        async with subject.machine.serve_port(refuse) as port:
            done = await subject.machine.run(["bash", "-c", TALK, "bash", str(port), "hi", "9"], timeout=60)
            assert done.stdout == b""

    async def test_closing_a_port_ends_what_is_alive(self, subject: Subject, tmp_path: Path) -> None:
        talk = 'exec 3<>"/dev/tcp/127.0.0.1/$1"; printf "x\n" >&3; cat <&3'
        async with echo_server(tmp_path) as echo:
            async with subject.machine.serve_port(lambda: asyncio.open_unix_connection(echo)) as port:
                live = subject.machine.process(["bash", "-c", talk, "bash", str(port)])
                process = await live.__aenter__()
                assert await _first_line(process) == "x"
            async with asyncio.timeout(60):
                await process.wait()
            await live.__aexit__(None, None, None)
            again = await subject.machine.run(["bash", "-c", TALK, "bash", str(port), "hi", "2"])
            assert again.stdout == b""
            assert b"refused" in again.stderr

    async def test_a_socket_is_joined_to_this_side(self, subject: Subject, tmp_path: Path) -> None:
        machine = subject.machine
        async with echo_server(tmp_path) as echo, machine.serve_socket("agent", echo) as path:
            async with machine.process([*subject.unix_client, path]) as process:
                await process.write(b"hello\n")
                assert await _first_line(process) == "hello"
            mode = await machine.run(["stat", "-c", "%A %U", path])
            assert mode.stdout.decode().strip() == f"srw------- {machine.user}"
        assert (await machine.run(["test", "-e", path])).exit_code == 1

    async def test_closing_a_socket_ends_what_is_alive(self, subject: Subject, tmp_path: Path) -> None:
        machine = subject.machine
        async with echo_server(tmp_path) as echo:
            async with machine.serve_socket("agent", echo) as path:
                live = machine.process([*subject.unix_client, path])
                process = await live.__aenter__()
                await process.write(b"x\n")
                assert await _first_line(process) == "x"
            async with asyncio.timeout(60):
                assert [piece async for piece in process.output()] == []
            await live.__aexit__(None, None, None)

    @pytest.mark.parametrize("name", ["", "../agent", "a/b", "a\0b", "-x", "A" * 200, "agent\n"])
    async def test_a_socket_has_a_plain_name(self, subject: Subject, name: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError):
            async with subject.machine.serve_socket(name, tmp_path / "any"):
                pass


class LossContract:
    """A machine that is lost: every wait ends with TemporaryError, soon."""

    pytestmark = pytest.mark.anyio

    async def test_whoever_waits_is_told(self, subject: Subject) -> None:
        machine = subject.machine
        async with machine.process(["cat"]) as quiet, machine.process(["sleep", "300"]) as deaf:
            waits: list[asyncio.Future[object]] = [
                asyncio.ensure_future(machine.run(["sleep", "300"])),
                asyncio.ensure_future(_first_line(quiet)),
                asyncio.ensure_future(deaf.wait()),
                asyncio.ensure_future(deaf.write(bytes(64 * MIB))),
            ]
            await asyncio.sleep(0.3)
            await subject.cut()
            async with asyncio.timeout(60):
                results = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(result) for result in results] == [TemporaryError] * 4
        assert {getattr(result, "brief", "") for result in results} == {"the machine's connection was lost"}

    async def test_what_is_asked_afterwards_is_told_too(self, subject: Subject, tmp_path: Path) -> None:
        await subject.cut()
        async with asyncio.timeout(60):
            with pytest.raises(TemporaryError):
                await subject.machine.run(["true"])
            with pytest.raises(TemporaryError):
                async with subject.machine.process(["true"]):
                    pass
            with pytest.raises(TemporaryError):
                async with subject.machine.serve_socket("agent", tmp_path / "any"):
                    pass
            with pytest.raises(TemporaryError):
                async with subject.machine.serve_port(lambda: asyncio.open_unix_connection("/none")):
                    pass

    async def test_open_ports_and_sockets_close_without_a_word(
        self, subject: Subject, tmp_path: Path
    ) -> None:
        async with (
            asyncio.timeout(60),
            echo_server(tmp_path) as echo,
            subject.machine.serve_socket("agent", echo),
            subject.machine.serve_port(lambda: asyncio.open_unix_connection(echo)),
        ):
            await subject.cut()


class MachineContract(CommandContract, FlowContract, EndingContract, ServingContract, LossContract):
    """All of it. A subclass gives the fixture `subject`."""
