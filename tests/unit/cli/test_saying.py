"""What a lasting process says, with and without somebody who reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAYS = """
import sys
from sealock.cli.saying import say
sys.stdin.readline()
for number in range(3):
    say(f"line {number}", err=sys.argv[1] == "err")
print("went on", file=sys.stdout if sys.argv[1] == "err" else sys.stderr)
"""


@pytest.mark.parametrize("stream", ["out", "err"])
def test_it_goes_on_when_nobody_reads(stream: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SAYS, stream],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        said, other = (process.stdout, process.stderr)[:: -1 if stream == "err" else 1]
        assert said is not None and other is not None and process.stdin is not None
        said.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        assert other.read() == b"went on\n"
    assert process.returncode == 0


@pytest.mark.parametrize("stream", ["out", "err"])
def test_who_reads_gets_every_line(stream: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAYS, stream], input=b"\n", capture_output=True, check=True, timeout=60
    )
    said = done.stdout if stream == "out" else done.stderr
    assert said == b"line 0\nline 1\nline 2\n"


def test_a_full_disk_loses_a_line_and_no_more() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", SAYS, "out"],
            input=b"\n",
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert done.stderr.startswith(b"went on\n")
