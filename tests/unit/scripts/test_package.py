"""The sample's package: fetched once, never trusted for its name alone."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from scripts.sample import package


def archive(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_files_land_without_the_outermost_directory_beside_a_configuration(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.tar.gz", ("a-1.0/a/__init__.py", b"x = 1\n"), ("a-1.0/README", b"hello\n"))
    package.unpack(source, tmp_path / "tree")
    found = sorted(str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*.*"))
    assert found == ["a/__init__.py", "sealock.yml"]
    assert (tmp_path / "tree/README").read_bytes() == b"hello\n"


def test_a_name_that_leads_outside_is_refused(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.tar.gz", ("a-1.0/../../outside", b""))
    with pytest.raises(ValueError, match="outside"):
        package.unpack(source, tmp_path / "tree")
    assert not (tmp_path / "outside").exists()


def test_links_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("a-1.0/link")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/passwd"
        tar.addfile(link)
    (tmp_path / "tree").mkdir()
    package.unpack(tmp_path / "a.tar.gz", tmp_path / "tree")
    assert [path.name for path in (tmp_path / "tree").iterdir()] == ["sealock.yml"]


def test_an_altered_copy_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "PIP", ("/bin/sh", "-c", "echo no network >&2; exit 1"))
    name = package.REQUIREMENT.read_text().split()[0].replace("==", "-")
    (tmp_path / f"{name}.tar.gz").write_bytes(b"something else")
    with pytest.raises(RuntimeError, match="no network"):
        package.fetch(tmp_path)


@pytest.mark.slow
def test_the_package_is_fetched_once_and_then_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = package.fetch(tmp_path)
    monkeypatch.setattr(package, "PIP", ("/bin/false",))
    assert package.fetch(tmp_path) == first
    package.unpack(first, tmp_path / "tree")
    assert any((tmp_path / "tree").rglob("test_*.py"))
