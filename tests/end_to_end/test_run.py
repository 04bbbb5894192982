"""`sealock run` as a person types it: the command, real machines, a private Git server, real signals."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

from scripts.sample.git_server import GitServer
from tests.support.checkout import git
from tests.support.installation import Installation, read_until

pytestmark = pytest.mark.slow


def test_a_green_directory(sealock: Installation) -> None:
    sealock.write("export A=1", "cat hello; echo A=$A; test $(id -u) != 0; touch made")
    code, out, err = sealock("run", "sample")
    assert code == 0, out + err
    assert "hello from the commit\nA=1\n" in out
    assert "disk bytes written: 0" in out
    sealock.verify(out)
    assert not (sealock.source / "made").exists()


def test_a_red_working_tree(sealock: Installation) -> None:
    sealock.write("true; cat hello; exit 4")
    (sealock.source / "hello").write_text("hello from the working tree\n")
    code, out, err = sealock("run", "--working-tree", str(sealock.source))
    assert code == 1, out + err
    assert "hello from the working tree" in out
    assert "ended with exit code 4" in out
    sealock.verify(out)


def test_json_lines(sealock: Installation) -> None:
    sealock.write("printf '\\033[2Jx\\377'", "false")
    code, out, err = sealock("run", "sample", "--json")
    assert code == 1, out + err
    assert "\x1b" not in out
    events = [json.loads(line) for line in out.splitlines()]
    assert [each["name"] for each in events if each["event"] == "phase-ended"] == [
        *("machine", "fetch", "test:unit", "end")
    ]
    assert "".join(each["text"] for each in events if each["event"] == "output") == "\x1b[2Jx\ufffd"
    result = events[-1]
    assert (result["event"], result["outcome"], result["exit_code"]) == ("result", "red", 1)
    assert result["record"]["machine"]["disk_bytes_written"] == 0


def test_a_url_is_built_with_the_projects_own_key(sealock: Installation, tmp_path: Path) -> None:
    sealock.write(
        "cat hello", 'test -z "$SSH_AUTH_SOCK"; ls -A ~/.ssh 2>/dev/null | grep -v authorized; true'
    )
    with GitServer(tmp_path / "server") as server:
        git(
            sealock.source, "clone", "-q", "--bare", str(sealock.source), str(server.directory / "sample.git")
        )
        url = server.address("sample.git")
        assert sealock("run", url)[0] == 2, "there is no project yet"
        code, out, err = sealock("project", "add", "sample", url, "--host-key", server.host_key, "--json")
        assert code == 0, err
        code, out, err = sealock("run", url)
        assert code == 2, "the key is not installed yet: " + out + err
        server.authorize(sealock("project", "key", "sample")[1], "sample.git")
        code, out, err = sealock("run", url, "--ref", "main")
    assert code == 0, out + err
    assert "hello from the commit" in out
    assert re.search(r"key      opened for .*, removed .* before the first command", out)
    sealock.verify(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_machine(number: signal.Signals, sealock: Installation) -> None:
    sealock.write("echo begun; sleep 300")
    with sealock.start("run", "sample") as process:
        read_until(process, "begun")
        process.send_signal(number)
        out, err = process.communicate(timeout=240)
    assert process.returncode == 1, out + err
    assert "cancelled in" in out
    sealock.verify(out)


def test_a_signal_while_the_machine_starts_ends_it_too(sealock: Installation) -> None:
    sealock.write("sleep 300; echo be''gun")
    with sealock.start("run", "sample") as process:
        read_until(process, "==> machine")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
    assert process.returncode == 1, out + err
    assert "begun" not in out


def test_a_machine_that_powers_itself_off_is_lost(sealock: Installation) -> None:
    sealock.write("sudo sh -c 'echo o > /proc/sysrq-trigger'; sleep 60")
    code, out, err = sealock("run", "sample")
    assert code == 1, out + err
    assert "machine lost" in out
    sealock.verify(out)


def test_the_next_run_ends_what_a_killed_one_left(sealock: Installation) -> None:
    sealock.write("echo begun; test -e ../canary && exit 9; touch ../canary; test $SEALOCK_REF || sleep 300")
    with sealock.start("run", "sample") as process:
        read_until(process, "begun")
        process.kill()
    code, out, err = sealock("run", "sample", "--ref", "main")
    assert code == 0, out + err
    # A test beside this one may have left something, too.
    assert re.search(r"ended what [1-9]\d* machine\(s\) of an earlier, crashed run had left", out)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "nowhere"], "There is no directory nowhere"),
        (["run", "."], "What to do"),
        (["run", "sample", "--ref", "nowhere"], "nowhere"),
        (["run", "sample", "--ref=-x"], "-x"),
        (["run", "sample", "--image", "nothere"], "nothere"),
        (["run", "sample", "--pipeline", "other"], "no pipeline `other`"),
        (["run", "ext::sh -c id"], "ext::"),
        (["run", "file:///etc"], "file://"),
        (["run", "ssh://git@127.0.0.1/a\nb"], "What to do"),
    ],
)
def test_bad_input_starts_nothing(arguments: list[str], says: str, sealock: Installation) -> None:
    sealock.write("true")
    code, out, err = sealock(*arguments)
    assert code == 2, out + err
    assert re.findall("^==> (.+)$", out, re.MULTILINE) in ([], ["image"]), "at most a search for it"
    assert says in err


def test_a_signal_reaches_the_machine_although_nobody_reads_its_flood(sealock: Installation) -> None:
    sealock.write("yes")
    with sealock.start("run", "sample") as process:
        read_until(process, "$ yes")
        time.sleep(5)
        process.send_signal(signal.SIGINT)
        receipts = sealock.root / "data/receipts"
        deadline = time.monotonic() + 120
        while not list(receipts.glob("*")) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert list(receipts.glob("*")), "the machine was ended and the receipt signed"
        assert process.poll() is None, "the flood waits to be read"
        out, err = process.communicate(timeout=240)
    assert process.returncode == 1, err
    assert "cancelled in" in out


def test_a_flood_of_output_passes_through(sealock: Installation) -> None:
    sealock.write(f"yes {'x' * 99} | head -c 100000000")
    with sealock.start("run", "sample") as process:
        assert process.stdout is not None
        length = sum(line.count("x") for line in process.stdout)
        assert process.wait(300) == 0
    assert length >= 99_000_000
