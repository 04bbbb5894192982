"""Whoever can push to a repository writes its `sealock.yml`: it cannot hold up or hijack who reads it.

The file is read outside the machine, so this is a barrier: a full-sized file of anything ends in a plan
or in an error within seconds, with bounded memory, and nothing in it is ever called, opened or imported.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from sealock.core.errors import ConfigError
from sealock.pipeline.decode import MAXIMUM_BYTES
from sealock.pipeline.reader import read_plan

pytestmark = pytest.mark.slow

# In processor time, of which a loaded machine does not take more. The slowest takes a fifth of it here.
SECONDS = 10.0
MEMORY_BYTES = 1 << 30

PIECES = [
    *(
        "\n",
        "\r",
        " ",
        "# a\n",
        "'",
        '"',
        "''",
        "\\n",
        ":",
        "!",
        "?",
        "|",
        ">",
        ",",
        "---\n",
        "...\n",
        "%a\n",
    ),
    *("[", "{a: ", "- ", "? ", "a: ", "&a ", "*a ", "!!a ", "a ", "'x\n ", "[#\n", "- a # b\n", "  x\n\n"),
]
FRAMES = ["", "test: |\n  ", "test: >\n  x\n", 'test: "', "test: '", "test: [", "test: &a [x]\nx: ["]


@pytest.mark.parametrize("piece", PIECES, ids=repr)
def test_a_full_file_of_anything_is_read_or_refused_in_seconds(piece: str) -> None:
    for frame in FRAMES:
        text = frame + piece * ((MAXIMUM_BYTES - len(frame)) // len(piece))
        started = time.process_time()
        try:
            read_plan(text.encode())
        except ConfigError as error:
            assert len(str(error)) < 8000
        assert time.process_time() - started < SECONDS


READ_IN_LITTLE_MEMORY = """
import resource, sys
from sealock.core.errors import ConfigError
from sealock.pipeline.reader import read_plan
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
try:
    read_plan(sys.stdin.buffer.read())
except ConfigError as error:
    print(error.brief)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [" + ", ".join(["x" * 90] * 20) + "]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 6)}]" for n in range(1, levels)]
    return "\n".join([*lines, f"test: *a{levels - 1}", ""])


def test_a_bomb_of_aliases_takes_no_memory(tmp_path: Path) -> None:
    program = tmp_path / "read.py"
    program.write_text(READ_IN_LITTLE_MEMORY)
    ended = subprocess.run(
        [sys.executable, program, str(MEMORY_BYTES)],
        input=bomb(10).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert "the file stands for more than 10000 values" in ended.stdout.decode()
    assert int(ended.stdout.splitlines()[-1]) * 1024 < MEMORY_BYTES


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch {canary}']",
        "!!python/object/new:subprocess.Popen [['touch', '{canary}']]",
        "!!python/name:os.system ''",
        "!!python/module:this ''",
        "!include {canary}",
        "!!binary aGVsbG8=",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch {canary}']",
    ],
)
def test_no_tag_calls_opens_or_imports_anything(tag: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with pytest.raises(ConfigError, match="is a tag; tags are not allowed"):
        read_plan(f"test: {tag.format(canary=canary)}\n".encode())
    assert not canary.exists()


def test_nothing_in_a_message_can_write_on_a_terminal() -> None:
    escape = '"\\e]0;title\\a\\e[2J\\r\\n\\u202e"'
    places = [
        f"{escape}: a\n",
        f"test: a\nenvironment: {{{escape}: a}}\n",
        f"test: {{{escape}: a}}\n",
        f"test: a\nnetwork: {escape}\n",
        f"test: a\nimage: {escape}\n",
        f"test: a\nmachine: {{memory: {escape}, cpus: {escape}}}\n",
        f"test: a\ncheckout: {escape}\n",
        f"test: a\n{escape}: a\n{escape}: b\n",
        f"test: [{escape}]\n",
    ]
    for text in places:
        with pytest.raises(ConfigError) as caught:
            read_plan(text.encode())
        assert all(character.isprintable() or character == "\n" for character in str(caught.value))
        assert "title\n" not in str(caught.value)
