"""Builds as pages get them."""

from __future__ import annotations

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, Trigger
from sealock.core.builds import BuildView, PhaseView

RED = BuildView(
    id="1" * 32, account="local", project="2" * 32, project_name="shop", number=7, state=BuildState.ENDED,
    outcome=Outcome.RED, reason="", trigger=Trigger.PUSH, ref="main", branch="main", commit=None, message="",
    author="", person=None, pipelines=(), restart_of=None, attempt=1, protected=False, from_fork=False,
    created_at=1000.0, started_at=1010.0, ended_at=1100.0,
    phases=(PhaseView("machine", 1010.0, 1015.0, ok=True), PhaseView("test:unit", 1015.0, 1100.0, ok=False)),
)  # fmt: skip
"""It had a machine, and its one step failed."""
