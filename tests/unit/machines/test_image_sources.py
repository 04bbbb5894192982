"""Package sources out of this host's own apt configuration, in both of its forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, UsageError
from sealock.machines.image import sources

DEB822 = """\
# The archive
Types: deb deb-src
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""

DEB822_FOLLOWED = """\
Types: deb
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""

ONE_LINE = """\
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian/ bookworm main # x
deb http://mirror.example/debian-security bookworm-security main
deb-src http://mirror.example/sources bookworm main
"""

OTHERS = """\
deb [signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example/debian bookworm main
deb https://vendor.example/linux bookworm stable
deb https://vendor.example/debian bookworm-pgdg main
deb https://vendor.example
"""

EMBEDDED = """\
Types: deb
URIs: https://mirror.example/debian
Suites: trixie trixie-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_deb822_sources_are_followed(etc: Path) -> None:
    (etc / "sources.list.d/debian.sources").write_text(DEB822)
    text = sources.of_host("bookworm", etc=etc).deb822()
    assert text == DEB822_FOLLOWED


def test_one_line_sources_are_followed(etc: Path) -> None:
    (etc / "sources.list").write_text(ONE_LINE)
    found = sources.of_host("bookworm", etc=etc)
    assert found.archive.uri == "http://mirror.example/debian/"
    assert found.archive.signed_by == "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert found.security == sources.Entry(
        "http://mirror.example/debian-security", "bookworm-security", ("main",)
    )


def test_another_suite_comes_from_the_same_archive(etc: Path) -> None:
    (etc / "sources.list.d/debian.sources").write_text(DEB822)
    text = sources.of_host("trixie", etc=etc).deb822()
    assert "Suites: trixie trixie-updates" in text
    assert "Suites: trixie-security" in text
    assert "bookworm" not in text


def test_other_vendors_archives_are_passed_over(etc: Path) -> None:
    (etc / "sources.list.d/a.list").write_text(OTHERS)
    (etc / "sources.list.d/debian.sources").write_text(DEB822)
    assert "vendor" not in sources.of_host("bookworm", etc=etc).deb822()


def test_a_key_in_the_sources_goes_along(etc: Path) -> None:
    (etc / "sources.list.d/debian.sources").write_text(EMBEDDED)
    found = sources.of_host("trixie", etc=etc)
    again = list(sources.deb822(found.deb822()))
    assert again[0].signed_by == found.archive.signed_by
    assert "BEGIN PGP" in again[0].signed_by


def test_disabled_sources_are_not_used(etc: Path) -> None:
    (etc / "sources.list.d/debian.sources").write_text(
        DEB822.replace("Types: deb\n", "Enabled: no\nTypes: deb\n")
    )
    with pytest.raises(PermanentError, match="no Debian security archive"):
        sources.of_host("bookworm", etc=etc)


def test_without_an_archive_the_setting_is_named(etc: Path) -> None:
    (etc / "sources.list").write_text(OTHERS)
    with pytest.raises(PermanentError, match="image_apt_mirror"):
        sources.of_host("bookworm", etc=etc)
    with pytest.raises(PermanentError, match="image_apt_security_mirror"):
        sources.of_host("bookworm", mirror="https://m.example/debian", etc=etc)


def test_the_operators_mirrors_come_first(etc: Path) -> None:
    (etc / "sources.list.d/debian.sources").write_text(DEB822)
    found = sources.of_host(
        "bookworm", mirror="https://m.example/d", security_mirror="https://m.example/s", etc=etc
    )
    assert (found.archive.uri, found.security.uri) == ("https://m.example/d", "https://m.example/s")
    assert "debian-archive" in found.archive.signed_by


@pytest.mark.parametrize(
    "mirror", ["", "mirror.example/debian", "https://m.example/d\nTypes: deb", "https://a b"]
)
def test_a_mirror_that_is_no_address_is_refused(etc: Path, mirror: str) -> None:
    with pytest.raises(UsageError, match="not the address"):
        sources.of_host("bookworm", mirror=mirror, etc=etc)
