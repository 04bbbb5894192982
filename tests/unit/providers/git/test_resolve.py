"""A repository that belongs to somebody else, as Git reports it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from sealock.core.errors import UsageError
from sealock.providers.git.resolve import _no_place


def test_a_repository_of_another_user(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    # Git's own switch for its own tests of this check.
    environment = {**os.environ, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "LC_ALL": "C"}
    done = subprocess.run(
        ["git", "-C", tmp_path, "rev-parse", "--git-dir"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = _no_place(tmp_path, done.stderr)
    assert isinstance(found, UsageError)
    assert "belongs to another user" in found.brief
    assert "safe.directory" in found.resolution
