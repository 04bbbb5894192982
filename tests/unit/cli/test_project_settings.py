"""What holds where a project has nothing of its own, and how a refusal names what was given."""

from __future__ import annotations

import pytest

from sealock.builds.checked_settings import check_keep_logs
from sealock.cli.project_settings import OPTIONS, default_words, options_named
from sealock.core.errors import UsageError


@pytest.mark.parametrize(
    ("name", "site", "words"),
    [
        ("protected", {}, "as the installation has it"),
        ("keep_logs", {"keep_logs": 30}, "as the installation has it (30 days)"),
        ("keep_logs", {"keep_logs": 0}, "as the installation has it (for ever)"),
        ("keep_logs", {}, "as the installation has it"),
        ("image", {"keep_logs": 30}, "as the installation has it"),
        ("max_running", {}, "as the account has it"),
        ("labels", {}, "-"),
    ],
)
def test_a_default_is_told_with_its_value_where_the_server_tells_it(
    name: str, site: dict[str, object], words: str
) -> None:
    assert default_words(name, site) == words


def test_a_refused_setting_is_named_by_its_option() -> None:
    with pytest.raises(UsageError) as refused, options_named(OPTIONS):
        raise UsageError("no", details="keep_logs: too long\nother: image: stays")
    assert refused.value.details == "--keep-logs: too long\nother: image: stays"


def test_too_long_says_what_is_allowed() -> None:
    with pytest.raises(UsageError) as refused:
        check_keep_logs(90, None, 30)
    assert refused.value.resolution == "Give 30 at most, or leave it empty."
