"""Real images: the same inputs give the same bytes, and nothing is left of a build that did not end.

All of it in one directory, so that packages are fetched once; each test stands on its own.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from sealock.core.errors import PermanentError
from sealock.core.image import Image
from sealock.machines.image.additions import Additions
from sealock.machines.image.store import ImageStore

pytestmark = pytest.mark.slow

BUILD = """\
import sys
from pathlib import Path
from sealock.machines.image.store import ImageStore
image = ImageStore(Path(sys.argv[1])).build("base", lambda line: print(line, flush=True))
print("digest", image.digest, image.content, flush=True)
"""

INSTALLING = "installing packages, 10 %"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@contextmanager
def building(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that builds `base` there, telling its progress line by line."""
    command = [sys.executable, "-c", BUILD, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    seen = []
    for each in process.stdout:
        seen.append(each)
        if each.startswith(line):
            return
    raise AssertionError(f"never said {line!r}: {seen}")


def working_in(directory: Path) -> list[str]:
    """Processes that have anything to do with the directory: by their arguments, root or working place."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            told = [(entry / "cmdline").read_bytes().decode(errors="replace")]
            told += [str((entry / link).readlink()) for link in ("root", "cwd")]
        except OSError:
            continue
        if any(str(directory) in each for each in told) and int(entry.name) != os.getpid():
            found.append(" ".join(told))
    return found


def assert_nobody_works_in(directory: Path) -> None:
    deadline = time.monotonic() + 60
    while found := working_in(directory):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def builds(directory: Path) -> list[Path]:
    return list((directory / ".work/builds").iterdir())


def test_an_interrupted_build_leaves_nothing(directory: Path) -> None:
    with building(directory) as process:
        wait_for(process, INSTALLING)
        assert working_in(directory)
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode != 0
    assert_nobody_works_in(directory)
    assert builds(directory) == []
    assert ImageStore(directory).all() == []


def test_a_killed_build_leaves_no_process_and_the_next_ones_build_once(
    directory: Path, base_image: Image
) -> None:
    with building(directory) as process:
        wait_for(process, INSTALLING)
        process.kill()
    assert_nobody_works_in(directory)
    assert ImageStore(directory).all() == []
    assert len(builds(directory)) == 1

    with building(directory) as one, building(directory) as other:
        told = [one.communicate()[0], other.communicate()[0]]
    expected = f"digest {base_image.digest} {base_image.content}"
    assert [text.splitlines()[-1] for text in told] == [expected, expected]
    assert sum("packing the root" in text for text in told) == 1
    assert builds(directory) == []
    ImageStore(directory).verify(ImageStore(directory).find("base"))


def certificate() -> str:
    """A certificate authority of a test's own, as PEM."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    made = builder.add_extension(x509.BasicConstraints(True, None), critical=True).sign(key, None)
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_additions_arrive_and_a_failing_command_leaves_nothing(directory: Path, tmp_path: Path) -> None:
    pem = certificate()
    recipe = tmp_path / "broken.toml"
    recipe.write_text(f"""\
name = "broken"
user = "worker"
commands = [
    ["grep", "-qF", "{pem.splitlines()[1]}", "/etc/ssl/certs/ca-certificates.crt"],
    ["grep", "-qx", "timeout = 7", "/etc/pip.conf"],
    ["grep", "-qx", "fund=false", "/etc/npmrc"],
    ["test", "!", "-e", "/etc/apt/sources.list"],
    ["grep", "-q", "archive.example", "/etc/apt/sources.list.d/operator.sources"],
    ["touch", "/a b; touch c", "$(touch d)"],
    ["test", "-e", "/a b; touch c"],
    ["test", "!", "-e", "c"],
    ["grep", "-qx", "from the recipe", "/opt/note"],
    ["id", "worker"],
    ["sh", "-c", "echo the last words; exit 7"],
    ["touch", "/never"],
]

[files."/opt/note"]
text = "from the recipe"
""")
    sources = "Types: deb\nURIs: https://archive.example/debian\nSuites: bookworm\nComponents: main\n"
    additions = Additions(pem, sources, pip_conf="[global]\ntimeout = 7\n", npmrc="fund=false\n")
    lines: list[str] = []
    with pytest.raises(PermanentError, match="building the root failed") as caught:
        ImageStore(directory, additions=additions).build(str(recipe), lines.append)
    assert lines[-1] == "running command 0011 of the recipe"
    assert "the last words" in caught.value.details
    assert builds(directory) == []
    assert [image.name for image in ImageStore(directory).all() if image.name == "broken"] == []


def test_an_unknown_package_is_named(directory: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "unknown.toml"
    recipe.write_text('name = "unknown"\npackages = ["no-such-package-at-all"]\n')
    with pytest.raises(PermanentError) as caught:
        ImageStore(directory).build(str(recipe), lambda line: None)
    assert "no-such-package-at-all" in caught.value.details
    assert builds(directory) == []


@pytest.fixture(scope="module")
def root(base_image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the shipped base image."""
    directory = tmp_path_factory.mktemp("root") / "tree"
    subprocess.run(["fsck.erofs", f"--extract={directory}", str(base_image.root)], check=True)
    return directory


def test_a_root_holds_what_machines_are_driven_by(root: Path) -> None:
    programs = ("bash", "git", "ssh", "nc", "sudo", "ps")
    assert all((root / "usr/bin" / name).exists() for name in programs)
    assert (root / "usr/sbin/sshd").exists()
    assert all(
        (root / "usr/lib/sealock" / name).stat().st_mode & 0o777 == 0o755 for name in ("start", "exec")
    )
    assert "build:x:1000:1000::/home/build:/bin/bash" in (root / "etc/passwd").read_text()
    assert "\nbuild:*:" in (root / "etc/shadow").read_text()
    assert (root / "home/build/.bashrc").stat().st_uid == 1000


def test_a_root_holds_nothing_of_one_machine_or_of_its_build(root: Path) -> None:
    assert list((root / "etc/ssh").glob("ssh_host_*")) == []
    assert (root / "etc/machine-id").read_bytes() == b""
    assert (root / "etc/resolv.conf").read_bytes() == b""
    assert not (root / "etc/resolv.conf").is_symlink()
    assert not (root / "usr/sbin/policy-rc.d").exists()
    for empty in ("dev", "proc", "sys", "tmp", "boot"):
        assert list((root / empty).iterdir()) == []
    assert [path for path in (root / "var/log").rglob("*") if path.is_file()] == []
    assert list((root / "var/lib/apt/lists").glob("*_Packages*")) == []
    assert list((root / "var/cache/apt").rglob("*.deb")) == []


def test_a_root_holds_no_device_and_no_unknown_way_to_root(root: Path) -> None:
    modes = {path: path.lstat().st_mode for path in root.rglob("*")}
    assert [path for path, mode in modes.items() if stat.S_ISBLK(mode) or stat.S_ISCHR(mode)] == []
    setuid = {path.name for path, mode in modes.items() if stat.S_ISREG(mode) and mode & stat.S_ISUID}
    usual = {"chfn", "chsh", "gpasswd", "mount", "newgrp", "passwd", "ssh-keysign", "su", "sudo", "umount"}
    assert setuid <= usual
    writable = [path for path, mode in modes.items() if mode & 0o002 and not stat.S_ISLNK(mode)]
    assert all(modes[path] & stat.S_ISVTX for path in writable)
