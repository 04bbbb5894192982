"""Programs that are kept running: started in turn, started again when they die, ended in the end."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.cli.children import Child, Children
from sealock.core.errors import PermanentError
from tests.support.processes import is_running

SERVES = "print('serving', flush=True)\nimport sys\nsys.stdin.read()\n"


def program(text: str, name: str = "part", patience: float = 20.0) -> Child:
    return Child(name, [sys.executable, "-c", textwrap.dedent(text)], "serving", patience)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


def test_one_that_dies_is_started_again() -> None:
    async def scenario() -> None:
        said: list[tuple[str, str]] = []
        children = Children(lambda name, line: said.append((name, line)), first_pause=0.01)
        child = program(SERVES)
        await children.start(child)
        first = child.process
        assert first is not None
        first.kill()
        await until(lambda: child.process is not first and said.count(("part", "serving")) == 2)
        assert any("the part ended (SIGKILL)" in line for _, line in said)
        await children.stop()
        assert child.process is not None and child.process.returncode == -signal.SIGTERM

    asyncio.run(scenario())


def test_one_that_does_not_come_up_is_told_with_its_last_words() -> None:
    async def scenario() -> None:
        children = Children(lambda name, line: None)
        with pytest.raises(PermanentError, match="the part did not start") as caught:
            await children.start(program("print('Error: no room'); raise SystemExit(3)"))
        assert "Error: no room" in caught.value.details
        await children.stop()

    asyncio.run(scenario())


def test_they_are_stopped_in_reverse_and_one_that_will_not_end_is_ended() -> None:
    async def scenario() -> None:
        said: list[tuple[str, str]] = []
        children = Children(lambda name, line: said.append((name, line)))
        polite = """
            import signal, sys
            signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit()))
            print('serving', flush=True)
            sys.stdin.read()
        """
        stubborn = """
            import signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print('serving', flush=True)
            time.sleep(60)
        """
        await children.start(program(polite, "first"))
        await children.start(program(polite, "second"))
        last = program(stubborn, "last", patience=0.2)
        await children.start(last)
        await children.stop()
        assert [name for name, line in said if line == "bye"] == ["second", "first"]
        assert last.process is not None and last.process.returncode == -signal.SIGKILL

    asyncio.run(scenario())


def test_a_long_line_and_bytes_that_are_no_text_do_not_stop_it() -> None:
    async def scenario() -> None:
        said: list[str] = []
        children = Children(lambda name, line: said.append(line))
        text = """
            import sys
            sys.stdout.buffer.write(b'x' * 200_000 + b'\\n\\xff\\xfe\\n')
            print('serving', flush=True)
            sys.stdin.read()
        """
        await children.start(program(text))
        assert sum(line.count("x") for line in said) == 200_000
        await children.stop()

    asyncio.run(scenario())


def test_what_was_started_ends_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    supervisor = f"""
        import asyncio, sys
        from pathlib import Path
        from sealock.cli.children import Child, Children
        async def main():
            child = Child("part", [sys.executable, "-c", {SERVES!r}], "serving")
            await Children(lambda *_: None).start(child)
            Path({str(tmp_path / "pid")!r}).write_text(str(child.process.pid))
            print("up", flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(supervisor)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        process.kill()
    child = int((tmp_path / "pid").read_text())
    asyncio.run(until(lambda: not is_running(child)))
