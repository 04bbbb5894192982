"""The back end that is configured, and those that are being left."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.core.secret import Secret
from sealock.keeper.backends.choose import choose
from sealock.keeper.backends.options import BackendOptions, VaultOptions


@pytest.fixture
def options(tmp_path: Path) -> BackendOptions:
    keys = tmp_path / "keys"
    return BackendOptions("file", keys / "key", keys / "passphrase", lambda: Secret(b"correct horse battery"))


def test_one_in_use_and_one_being_left(options: BackendOptions, tmp_path: Path) -> None:
    vault = VaultOptions("https://127.0.0.1:1", "sealock", tmp_path / "token")
    found = choose(replace(options, name="vault", before="file", vault=vault))
    assert [found.current.name, *(each.name for each in found.leaving)] == ["vault", "file"]
    found.close()


@pytest.mark.parametrize("before", [None, "file"])
def test_nothing_is_left_where_nothing_changes(options: BackendOptions, before: str | None) -> None:
    found = choose(replace(options, before=before))
    assert (found.current.name, list(found.leaving)) == ("file", [])


@pytest.mark.parametrize("name", ["vault", "kms"])
def test_one_that_lacks_a_setting_is_refused(options: BackendOptions, name: str) -> None:
    for changed in (replace(options, name=name), replace(options, before=name)):
        with pytest.raises(UsageError, match=f"the back end {name} is not configured"):
            choose(changed)


def test_only_what_is_used_is_imported() -> None:
    code = (
        "import sys; from pathlib import Path; from sealock.keeper.backends.choose import choose;"
        "from sealock.keeper.backends.options import BackendOptions;"
        "choose(BackendOptions('file', Path('/none/key'), Path('/none/keys'), print)); print(*sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert not {"httpx2", "boto3", "botocore"} & set(result.stdout.split())
