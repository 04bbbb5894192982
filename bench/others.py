"""What others take for the same job on this host: a fresh virtual machine, one command's output, gone.

debvm boots an image made for it and is asked over SSH; virtme-ng boots Debian's stock kernel on a view of
this host's own files. What they need lies in a cache directory outside the checkout and is made once. What
cannot be had here (no apt, no network) is left out, with a line that says why. Both use KVM where Sealock
does, and software emulation where Sealock does.
"""

from __future__ import annotations

import asyncio
import os
import platform
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.programs import Missing, do, last_line, running
from bench.rows import Row, row
from sealock.machines.acceleration import decide
from sealock.machines.image.store import ImageStore
from sealock.machines.options import MachineOptions
from sealock.settings import load

RUNS = 3
QUIET_SECONDS = 1.5
RUN_SECONDS = 300.0
# A connection made before the guest listens is answered late or never; then the next one is sooner.
ANSWER_SECONDS = 3
PAUSE_SECONDS = 0.1
# The release these options were tried with.
VIRTME_NG = "virtme-ng==1.42"
OURS = ("clone_to_output", "pool_to_output")


@dataclass(frozen=True)
class _Other:
    """prepare: makes what is missing in its cache directory. run: given that directory, whether KVM works
    and a directory for this run alone, returns when the output is here and the machine is gone: the
    `time.monotonic()` of the output. Both raise Missing."""

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path, bool, Path], float]


def measure(found: list[Row]) -> list[Row]:
    """Seconds of each of the others, and ours of this run against theirs."""
    rows: list[Row] = []
    kvm = _kvm_works()
    for other in (_Other("debvm", _prepare_debvm, _run_debvm), _Other("virtme-ng", _prepare_vng, _run_vng)):
        try:
            rows += _compare(other.name, _measure(other, kvm), found)
        except Missing as missing:
            _say(f"{other.name} is left out: {missing}")
    return rows


def _measure(other: _Other, kvm: bool) -> list[float]:
    place = _cache() / other.name
    place.mkdir(parents=True, exist_ok=True)
    other.prepare(place)
    return [_once(other, place, kvm) for _ in range(RUNS)]


def _once(other: _Other, place: Path, kvm: bool) -> float:
    """Seconds from the start of its own command to the guest's output."""
    time.sleep(QUIET_SECONDS)
    with tempfile.TemporaryDirectory(prefix="sealock-bench-") as scratch:
        start = time.monotonic()
        return other.run(place, kvm, Path(scratch)) - start


def _compare(name: str, seconds: list[float], found: list[Row]) -> list[Row]:
    word = name.replace("-", "_")
    theirs = row(f"{word}_to_output", "s", seconds)
    rows = [theirs]
    for ours in found:
        if ours.name in OURS:
            label = f"{ours.name}_against_{word}"
            rows.append(row(label, ours.unit, ours.runs, baseline=theirs.value, against=name))
    return rows


def _kvm_works() -> bool:
    """As Sealock decides it, with the image that the machines are measured with."""
    settings, _sources = load()
    images = ImageStore(settings.images_dir)
    images.build("base", lambda _line: None)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sealock-bench-") as runtime:
        options = MachineOptions(runtime_dir=Path(runtime), user=settings.machine_user)
        return asyncio.run(decide(options, images)) == "kvm"


def _prepare_debvm(place: Path) -> None:
    if shutil.which("debvm-create") is None:
        _install("debvm")
    image, key = place / "rootfs.ext4", place / "key"
    if image.exists():
        return
    key.unlink(missing_ok=True)
    do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", str(key))
    _say(f"making debvm's image in {place}, once; this takes minutes")
    fresh = place / "fresh.ext4"
    target = ["--output", str(fresh), "--sshkey", f"{key}.pub", "--release", _release()]
    do("debvm-create", *target, "--", "--include=linux-image-cloud-amd64")
    fresh.rename(image)


def _run_debvm(place: Path, kvm: bool, scratch: Path) -> float:
    port = _free_port()
    # debvm chooses KVM wherever its device is; QEMU takes the last of several -machine and -cpu.
    emulated = [] if kvm else ["-machine", "accel=tcg", "-cpu", "max"]
    image = ["--image", str(place / "rootfs.ext4"), "--sshport", str(port)]
    deadline = time.monotonic() + RUN_SECONDS
    command = ["debvm-run", *image, "--", "-snapshot", *emulated]
    output = (scratch / "output").open("w+b")
    with output, running(command, output, scratch) as machine:
        while time.monotonic() < deadline and machine.poll() is None:
            if _ssh_says_hello(place / "key", port, deadline):
                return time.monotonic()
            time.sleep(PAUSE_SECONDS)
    raise Missing(f"its machine said nothing: {last_line((scratch / 'output').read_bytes())}")


def _ssh_says_hello(key: Path, port: int, deadline: float) -> bool:
    """The guest makes its host key at its first boot, and is on loopback: there is nothing to check."""
    options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR"]
    options += ["UserKnownHostsFile=/dev/null", f"ConnectTimeout={ANSWER_SECONDS}"]
    command = ["ssh", "-F", "/dev/null", "-i", str(key), "-p", str(port), *(f"-o{each}" for each in options)]
    try:
        done = subprocess.run(
            [*command, "root@127.0.0.1", "echo", "hello"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=max(1.0, deadline - time.monotonic()),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.stdout == b"hello\n"


def _prepare_vng(place: Path) -> None:
    environment, kernel = place / "environment", place / "kernel"
    if not (environment / "bin" / "vng").exists():
        _say(f"installing {VIRTME_NG} into {environment}")
        do(sys.executable, "-m", "venv", "--clear", str(environment))
        do(str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", VIRTME_NG)
    if not kernel.exists():
        _fetch_kernel(kernel)


def _fetch_kernel(kernel: Path) -> None:
    """Unpack Debian's stock kernel, installing nothing. The cloud kernel would not do: it has no 9p, which
    virtme-ng falls back to where there is no virtiofsd."""
    depends = do("apt-cache", "depends", "--important", "linux-image-amd64")
    name = next((word for word in depends.split()[1:] if word.startswith("linux-image-")), None)
    if name is None:
        raise Missing("apt knows no linux-image-amd64.")
    _say(f"fetching the kernel {name} into {kernel.parent}")
    with tempfile.TemporaryDirectory(dir=kernel.parent) as directory:
        do("apt-get", "download", "--quiet", name, place=Path(directory))
        package = str(next(Path(directory).glob("*.deb")))
        do("dpkg-deb", "--extract", package, f"{directory}/kernel")
        Path(directory, "kernel").rename(kernel)


def _run_vng(place: Path, kvm: bool, scratch: Path) -> float:
    image = next((place / "kernel" / "boot").glob("vmlinuz-*"))
    emulated = [] if kvm else ["--disable-kvm", "--disable-microvm"]
    # On a host without udev the command's output comes by the console, which is shown only when verbose;
    # `quiet` keeps the kernel from spending time there.
    console = ["--verbose", "--append", "quiet"]
    vng = [str(place / "environment" / "bin" / "vng"), "--run", str(image), "--memory", "1G"]
    with running([*vng, *emulated, *console, "--", "echo", "hello"], subprocess.PIPE, scratch) as machine:
        said, when = _read_until(machine, b"hello", time.monotonic() + RUN_SECONDS)
    if when is None:
        raise Missing(f"its machine said nothing: {last_line(said)}")
    return when


def _read_until(machine: subprocess.Popen[bytes], word: bytes, deadline: float) -> tuple[bytes, float | None]:
    """What it said, and when the word came, None if it did not."""
    assert machine.stdout is not None
    descriptor, said = machine.stdout.fileno(), b""
    while select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(descriptor, 65536)
        said += piece
        if word in said.split():
            return said, time.monotonic()
        if not piece:
            break
    return said, None


def _install(package: str) -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Missing(f"the Debian package {package} is not installed; as root on Debian it would be.")
    _say(f"installing the Debian package {package}")
    do("apt-get", "-o", "DPkg::Lock::Timeout=600", "install", "-q", "-y", "--no-install-recommends", package)


def _release() -> str:
    """Of this host: its packages' keys are here."""
    try:
        return platform.freedesktop_os_release()["VERSION_CODENAME"]
    except (OSError, KeyError) as error:
        raise Missing("this host does not say which release of Debian it is.") from error


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sealock-bench"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _say(line: str) -> None:
    print(f"others: {line}", flush=True)
