"""Modules are loaded after those they need; what is built in is not loaded; the initrd lists them."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.machines.image import cpio, initrd, kernel

RELEASE = "6.1.0-1-cloud-amd64"
DEPENDS = {
    "virtio_ring": "",
    "virtio": "virtio_ring",
    "virtio_pci": "virtio,virtio_ring",
    "virtio_blk": "virtio,virtio_ring",
    "failover": "",
    "net-failover": "failover",
    "virtio_net": "net-failover,virtio",
    "virtio_console": "virtio",
    "virtio-rng": "virtio",
    "erofs": "libcrc32c",
    "libcrc32c": "",
}


def module(depends: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An unpacked kernel package, some modules compressed, `overlay` built in."""
    root = tmp_path / "tree"
    modules = root / "lib/modules" / RELEASE / "kernel"
    modules.mkdir(parents=True)
    (root / "boot").mkdir()
    (root / "boot" / f"vmlinuz-{RELEASE}").write_bytes(b"kernel")
    for name, depends in DEPENDS.items():
        if "virtio" in name:
            (modules / f"{name}.ko.xz").write_bytes(lzma.compress(module(depends)))
        else:
            (modules / f"{name}.ko").write_bytes(module(depends))
    (modules.parent / "modules.builtin").write_text("kernel/fs/overlayfs/overlay.ko\n")
    return root


def package(tree: Path) -> Path:
    control = tree / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(
        "Package: k\nVersion: 1\nArchitecture: all\nMaintainer: m <m@example>\nDescription: k\n"
    )
    archives = tree.parent / "archives"
    archives.mkdir()
    subprocess.run(
        ["dpkg-deb", "--build", str(tree), str(archives / "k.deb")], check=True, capture_output=True
    )
    return archives / "k.deb"


def test_modules_come_after_what_they_need(tree: Path) -> None:
    unpacked = kernel.unpack(package(tree))
    assert (unpacked.image, unpacked.release) == (b"kernel", RELEASE)
    order = [name for name, _ in unpacked.modules]
    for name, depends in DEPENDS.items():
        for needed in filter(None, depends.split(",")):
            assert order.index(needed.replace("-", "_")) < order.index(name.replace("-", "_"))
    assert len(order) == len(set(order)) == len(DEPENDS)
    assert "overlay" not in order
    assert all(content.startswith(b"\x7fELF") for _, content in unpacked.modules)


def test_a_missing_module_is_named(tree: Path) -> None:
    next(tree.rglob("erofs.ko")).unlink()
    with pytest.raises(PermanentError, match="no module erofs"):
        kernel.unpack(package(tree))


def test_a_package_without_kernel_is_refused(tree: Path) -> None:
    next(tree.glob("boot/*")).unlink()
    with pytest.raises(PermanentError, match="holds no kernel"):
        kernel.unpack(package(tree))


def test_a_damaged_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives/k.deb").write_bytes(b"not a package")
    with pytest.raises(PermanentError, match="unpacking the kernel failed"):
        kernel.unpack(tmp_path / "archives/k.deb")


def test_the_initrd_lists_modules_in_loading_order(tmp_path: Path) -> None:
    made = kernel.Kernel(b"k", (("b", b"1"), ("a", b"2")), RELEASE)
    archive = initrd.build(made, b"busybox", b"#!/bin/busybox sh\n")
    subprocess.run(["cpio", "-i", "--quiet", "-D", str(tmp_path)], input=archive, check=True)
    assert (tmp_path / "modules").read_text() == "/lib/b.ko\n/lib/a.ko\n"
    assert (tmp_path / "lib/a.ko").read_bytes() == b"2"
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "bin/busybox").stat().st_mode & 0o777 == 0o755
    assert {"dev", "proc", "sys", "lower", "new", "rw"} <= {path.name for path in tmp_path.iterdir()}
    assert archive == initrd.build(made, b"busybox", b"#!/bin/busybox sh\n")
    assert cpio.archive({}) != archive
