"""The order in which the sample asks Sealock for things, and what it makes of the answers.

Sealock's place is taken by a program that writes down how it was called; the Git server is real.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from scripts.sample import run as sample

pytestmark = pytest.mark.slow

PROGRAM = """\
#!/bin/sh
echo "$*" >>{calls}
case "$1 $2" in
"image show") exit {image} ;;
"project key") echo "ssh-ed25519 AAAA sealock:sample" ;;
"run "*)
  mkdir -p "$SEALOCK_DATA_DIR/receipts" && touch "$SEALOCK_DATA_DIR/receipts/1.intoto.jsonl"
  echo "$SEALOCK_GIT_ALLOW" >{calls}.allow
  exit {build} ;;
"receipt verify") exit {verify} ;;
esac
"""


class Stage:
    """A sample with a Sealock that answers as it is told."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls_file = directory / "calls"
        self._program = directory / "sealock"
        self._directory = directory
        archive = directory / "package.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo("package-1/module.py"), io.BytesIO())
        monkeypatch.setattr(sample, "SEALOCK", self._program)
        monkeypatch.setattr(sample, "fetch", lambda _: archive)

    def run(self, *, image: int = 0, build: int = 0, verify: int = 0) -> int:
        text = PROGRAM.format(calls=self.calls_file, image=image, build=build, verify=verify)
        self._program.write_text(text)
        self._program.chmod(0o755)
        return sample.Sample(self._directory).run()

    @property
    def calls(self) -> list[str]:
        return [" ".join(line.split()[:2]) for line in self.calls_file.read_text().splitlines()]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def test_a_green_build_is_shown_and_verified(stage: Stage) -> None:
    assert stage.run() == 0
    words = ["image show", "image build", "project add", "project key", "receipt show", "receipt verify"]
    assert [call for call in stage.calls if not call.startswith("run ")] == words
    allowed = stage.calls_file.with_name("calls.allow").read_text()
    assert allowed == "127.0.0.1\n"


def test_a_missing_image_is_built(stage: Stage) -> None:
    assert stage.run(image=2) == 0
    assert stage.calls[:2] == ["image show", "image build"]


def test_a_red_build_is_the_result_and_its_receipt_is_shown_all_the_same(stage: Stage) -> None:
    assert stage.run(build=1) == 1
    assert stage.calls[-1] == "receipt verify"


def test_a_receipt_that_does_not_verify_is_no_success(stage: Stage) -> None:
    assert stage.run(verify=3) == 3


def test_ctrl_c_is_left_to_the_command_to_clean_up(tmp_path: Path) -> None:
    ready, cleaned = tmp_path / "ready", tmp_path / "cleaned"
    slow = tmp_path / "sealock"
    slow.write_text(
        f"#!/bin/sh\ntrap 'sleep 1; touch {cleaned}; exit 130' INT\ntouch {ready}\n"
        "for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; done\n"
    )
    slow.chmod(0o755)
    code = (
        "import pathlib, sys\nfrom scripts.sample import run\n"
        f"run.SEALOCK = pathlib.Path({str(slow)!r})\n"
        f"sys.exit(run.Sample(pathlib.Path({str(tmp_path)!r})).sealock('run'))"
    )
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        while not ready.exists():
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
    assert cleaned.exists()
