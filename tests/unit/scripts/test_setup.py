"""What scripts/setup says and does on systems that are not this one, each made of a PATH of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ORDINARY = ("awk", "bash", "cat", "dirname", "env", "flock", "grep", "id", "paste", "sed", "sh")
PACKAGES = [
    line.split()
    for line in (ROOT / "scripts/system-packages.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


class System:
    """A copy of the scripts, and a folder of programs that is all there is to find."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "tree"
        self.programs = directory / "programs"
        self.programs.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        setup = self.root / "scripts/setup"
        lines = setup.read_text(encoding="utf-8").splitlines(keepends=True)
        setup.write_text("".join(line for line in lines if not line.startswith("export PATH=")))
        for name in ORDINARY:
            (self.programs / name).symlink_to(shutil.which(name) or "/nonexistent")
        self.program("id", "echo 1000")
        self.program("getent")

    def program(self, name: str, body: str = "exit 0") -> None:
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def setup(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "scripts/setup", *arguments],
            env={"PATH": str(self.programs), "HOME": os.environ.get("HOME", "/")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_another_distribution_is_told_which_programs_to_install(system: System) -> None:
    result = system.setup("--system")
    assert result.returncode == 1
    assert "not Debian" in result.stderr
    for package, program, *purpose in PACKAGES:
        if program not in ("-", "git"):
            assert f"{program} ({' '.join(purpose)}; on Debian in {package})" in result.stderr


def test_another_distribution_with_all_programs_is_fine_and_silent(system: System) -> None:
    for _, program, *_ in PACKAGES:
        system.program(program)
    result = system.setup("--system")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def debian(system: System, *, installed: list[str], apt: str = "") -> Path:
    """Make it a Debian whose apt-get writes down how it was called."""
    calls = system.root / "apt-calls"
    listing = "".join(f"{package} installed\\n" for package in installed)
    system.program("dpkg-query", f"printf '{listing}'")
    system.program("apt-get", f'echo "$*" >>{calls}\n{apt}')
    return calls


def test_what_is_installed_is_not_asked_for_again(system: System) -> None:
    calls = debian(system, installed=[package for package, *_ in PACKAGES])
    result = system.setup("--system")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not calls.exists()


def test_only_what_is_missing_is_installed_through_sudo(system: System) -> None:
    calls = debian(system, installed=[package for package, *_ in PACKAGES if package not in ("cpio", "kmod")])
    system.program("sudo", 'while [ "$1" = -n ] || [ "$1" = -- ]; do shift; done\nexec "$@"')
    system.program("true")
    result = system.setup("--system")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "setup: installing from Debian: cpio kmod\n"
    update, install = calls.read_text(encoding="utf-8").splitlines()
    assert "update" in update
    assert install.endswith("install -q -y --no-install-recommends cpio kmod")


def test_servers_that_are_installed_for_their_programs_do_not_start(system: System) -> None:
    servers = ("openssh-server", "postgresql", "redis-server")
    debian(system, installed=[package for package, *_ in PACKAGES if package not in servers])
    system.program("sudo", 'while [ "$1" = -n ] || [ "$1" = -- ]; do shift; done\nexec "$@"')
    system.program("true")
    masked = system.root / "masked"
    system.program("systemctl", f'echo "$*" >{masked}')
    setup = system.root / "scripts/setup"
    text = setup.read_text(encoding="utf-8")
    assert "/run/systemd/system" in text
    assert "/usr/lib/postgresql/" in text
    text = text.replace("/run/systemd/system", str(system.root)).replace(
        "/usr/lib/postgresql/", f"{system.root}/pg/"
    )
    setup.write_text(text, encoding="utf-8")
    assert "ssh.socket postgresql.service redis-server.service" in system.setup("--system").stdout
    expected = "mask --quiet ssh.service ssh.socket postgresql.service redis-server.service\n"
    assert masked.read_text(encoding="utf-8") == expected
    (system.root / "pg/15/bin").mkdir(parents=True)
    (system.root / "pg/15/bin/postgres").touch()  # somebody's own
    system.setup("--system")
    assert "postgresql" not in masked.read_text(encoding="utf-8")


def test_the_user_machines_run_as_is_made_once(system: System) -> None:
    debian(system, installed=[package for package, *_ in PACKAGES])
    made = system.root / "made"
    system.program("id", "echo 0")
    system.program("true")
    system.program("getent", f"[ -e {made} ]")
    system.program("useradd", f'echo "$*" >{made}')
    assert "sealock-machine" in system.setup("--system").stdout
    assert made.read_text(encoding="utf-8").endswith("sealock-machine\n")
    assert "--system --user-group --no-create-home" in made.read_text(encoding="utf-8")
    assert system.setup("--system").stdout == ""


def test_without_root_the_command_to_run_is_shown(system: System) -> None:
    debian(system, installed=[package for package, *_ in PACKAGES if package != "passt"])
    system.program("sudo", "exit 1")
    result = system.setup("--system")
    assert result.returncode == 1
    assert "apt-get install passt" in result.stderr


def test_what_apt_said_is_shown_when_it_fails(system: System) -> None:
    debian(system, installed=[], apt="echo 'E: no such package'; exit 100")
    system.program("sudo", 'while [ "$1" = -n ] || [ "$1" = -- ]; do shift; done\nexec "$@"')
    system.program("true")
    result = system.setup("--system")
    assert result.returncode == 1
    assert "E: no such package" in result.stderr
    assert "apt-get could not install" in result.stderr


def test_a_python_that_is_too_old_is_named(system: System) -> None:
    debian(system, installed=[package for package, *_ in PACKAGES])
    system.program("python3", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    result = system.setup()
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed; found: Python 3.9.2." in result.stderr
    assert not (system.root / ".venv").exists()


@pytest.mark.slow
def test_nothing_to_do_takes_no_time_and_says_nothing() -> None:
    subprocess.run([ROOT / "scripts/setup"], check=True, timeout=300, capture_output=True)
    result = subprocess.run([ROOT / "scripts/setup"], check=True, timeout=60, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("", "")
