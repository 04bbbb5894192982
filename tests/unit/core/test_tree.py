"""One level of a tree, as git prints it."""

from __future__ import annotations

import pytest

from sealock.core.errors import UsageError
from sealock.core.tree import TreeEntry, parse_tree, plain_file

LISTED = (
    b"100644 blob 1111111111111111111111111111111111111111      12\tsealock.yml\0"
    b"120000 blob 2222222222222222222222222222222222222222       4\tlink\0"
    b"040000 tree 3333333333333333333333333333333333333333       -\tdirectory\0"
    b"160000 commit 4444444444444444444444444444444444444444       -\todd\tname\n\0"
)


def test_what_git_prints() -> None:
    found = parse_tree(LISTED)
    assert found[0] == TreeEntry("100644", "blob", "1" * 40, 12, "sealock.yml")
    assert found[3] == TreeEntry("160000", "commit", "4" * 40, None, "odd\tname\n")
    assert parse_tree(b"") == []


def test_only_plain_files_within_the_limit() -> None:
    found = parse_tree(LISTED)
    assert plain_file(found, "sealock.yml", 12) == "1" * 40
    assert plain_file(found, "missing", 12) is None
    for name, limit in (("sealock.yml", 11), ("link", 100), ("directory", 100)):
        with pytest.raises(UsageError):
            plain_file(found, name, limit)
