"""A host on which machines cannot start: one clear message, what to do, exit code 2 or 3, nothing left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.checkout import make_repository
from tests.support.installation import Installation
from tests.support.machines import assert_runtime_is_clean

pytestmark = pytest.mark.slow

PLAN = "image: base\ntest: echo begun\n"


@pytest.fixture
def programs() -> Iterator[Path]:
    """A directory for programs that stand in for QEMU and pasta, which everybody may run."""
    with TemporaryDirectory(prefix="sealock-programs-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def empty() -> Iterator[Path]:
    """A runtime directory without a template."""
    with TemporaryDirectory(prefix="sealock-empty-", dir="/dev/shm") as name:
        yield Path(name)
        assert_runtime_is_clean(Path(name))


def fail(sealock: Installation, code: int, plan: str = PLAN, **settings: str) -> str:
    """Run a build that cannot start; what it said."""
    make_repository(sealock.source, {"sealock.yml": plan})
    sealock.env |= {f"SEALOCK_{name.upper()}": value for name, value in settings.items()}
    ended, out, err = sealock("run", str(sealock.source))
    assert ended == code, out + err
    assert "Traceback" not in err
    assert "fault of Sealock" not in err
    assert "What to do: " in err
    assert "begun\n" not in out
    assert err.count("Error: ") == 1, err
    return err


@pytest.mark.parametrize(
    ("settings", "says", "resolution"),
    [
        ({"qemu": "/no/such/qemu"}, "/no/such/qemu is missing", "apt-get install qemu-system-x86"),
        ({"qemu": "/bin/false"}, "/bin/false does not run", "qemu-system-x86"),
        ({"pasta": "no-such-pasta"}, "no-such-pasta is missing", "apt-get install passt"),
        ({"runtime_dir": "/var/tmp/sealock-test"}, "not on tmpfs", "/run/sealock"),
        ({"machine_user": "sealock-nobody"}, "sealock-nobody", "useradd"),
        ({"machine_user": "root"}, "may not run as root", "machine_user"),
    ],
    ids=["qemu", "no qemu", "pasta", "runtime directory", "user", "root"],
)
def test_something_is_missing(
    sealock: Installation, settings: dict[str, str], says: str, resolution: str
) -> None:
    err = fail(sealock, 3, **settings)
    assert says in err
    assert resolution in err
    assert not Path("/var/tmp/sealock-test").exists()


def test_there_is_no_image(sealock: Installation) -> None:
    err = fail(sealock, 2, images_dir=str(sealock.root / "none"))
    assert "sealock image build base" in err


def test_the_image_is_damaged(sealock: Installation, machine_runtime: Path) -> None:
    """Its files are gone behind the store's back."""
    from tests.support.images import cache_directory

    images = sealock.root / "images"
    newest = max((cache_directory() / "images").glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
    copy = images / newest.name
    copy.mkdir(parents=True)
    for path in newest.iterdir():
        if path.name != "root.erofs":
            os.link(path, copy / path.name)
    err = fail(sealock, 3 if (copy / "manifest.json").exists() else 2, images_dir=str(images))
    assert newest.name[:12] in err or "image" in err
    assert_runtime_is_clean(machine_runtime)


def test_there_is_too_little_memory(sealock: Installation) -> None:
    err = fail(sealock, 3, plan=PLAN + "machine: {memory: 64 GiB}\n")
    assert "too little memory" in err
    assert "machine: memory in sealock.yml" in err


def test_an_exception_of_the_network_is_no_name(sealock: Installation) -> None:
    err = fail(sealock, 2, network_allow="no-such-name.invalid")
    assert "no-such-name.invalid" in err


def test_qemu_ends_at_once(sealock: Installation, programs: Path, empty: Path) -> None:
    qemu = programs / "qemu"
    qemu.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exec qemu-system-x86_64 --version\n'
        "echo 'cannot set up guest memory' >&2\nexit 1\n"
    )
    qemu.chmod(0o755)
    err = fail(sealock, 3, qemu=str(qemu), runtime_dir=str(empty), acceleration="tcg")
    assert "cannot set up guest memory" in err


def test_pasta_ends_at_once(sealock: Installation, programs: Path) -> None:
    pasta = programs / "pasta"
    pasta.write_text("#!/bin/sh\necho 'no way out' >&2\nexit 1\n")
    pasta.chmod(0o755)
    err = fail(sealock, 3, pasta=str(pasta))
    assert "no way out" in err


def test_pasta_never_carries(sealock: Installation, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs, but sets up no device: the wait for it has an end."""
    pasta = programs / "pasta"
    pasta.write_text("#!/bin/sh\nexec sleep 100\n")
    pasta.chmod(0o755)
    err = fail(sealock, 3, pasta=str(pasta))
    assert "pasta did not start" in err
