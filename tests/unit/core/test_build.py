"""What a build's outcome means to whoever called us."""

from __future__ import annotations

import pytest

from sealock.core.build import Outcome
from sealock.core.decision import Allowed, Denied
from sealock.core.errors import ExitCode

EXIT_CODES = {
    Outcome.GREEN: ExitCode.GREEN,
    Outcome.RED: ExitCode.BUILD_FAILED,
    Outcome.SILENT: ExitCode.BUILD_FAILED,
    Outcome.TOO_LONG: ExitCode.BUILD_FAILED,
    Outcome.CANCELLED: ExitCode.BUILD_FAILED,
    Outcome.MACHINE_LOST: ExitCode.BUILD_FAILED,
    Outcome.ERROR: ExitCode.INFRASTRUCTURE,
}


@pytest.mark.parametrize("outcome", Outcome)
def test_each_outcome_has_its_exit_code(outcome: Outcome) -> None:
    assert outcome.exit_code is EXIT_CODES[outcome]


def test_only_green_ends_with_success() -> None:
    assert [outcome for outcome in Outcome if outcome.exit_code == 0] == [Outcome.GREEN]


def test_a_denial_is_no_and_says_why() -> None:
    assert Allowed()
    assert not Denied("not yours")
    assert Denied("not yours").reason == "not yours"
    assert Denied("not yours") != Denied("too late")
