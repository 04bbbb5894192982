"""What people decide for a project is checked before it is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sealock.builds.checked_settings import check_settings
from sealock.core.errors import UsageError
from sealock.core.project_settings import ProjectSettings
from sealock.providers.git.ref import check_ref

GOOD = ProjectSettings(
    default_branch="trunk",
    protected=("trunk", "release/1.0"),
    image="sha256:0123456789ab",
    max_running=0,
    priority=-100,
    labels=("arm", "fast.disk"),
    one_at_a_time=("trunk",),
)


@pytest.mark.parametrize("settings", [ProjectSettings(), GOOD])
def test_what_can_be_is_taken(settings: ProjectSettings) -> None:
    assert check_settings(settings, check_ref) == settings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("default_branch", ""),
        ("default_branch", "-x"),
        ("protected", ("main", "a..b")),
        ("protected", ("main", "main")),
        ("protected", tuple(f"b{number}" for number in range(101))),
        ("one_at_a_time", ("a b",)),
        ("labels", ("Arm",)),
        ("labels", ("a,b",)),
        ("labels", tuple(f"l{number}" for number in range(17))),
        ("image", "../python"),
        ("image", "a\nb"),
        ("priority", 101),
        ("priority", -101),
        ("max_running", -1),
        ("max_running", 1001),
    ],
)
def test_what_cannot_be_is_named(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{field}: "):
        check_settings(replace(GOOD, **{field: value}), check_ref)
