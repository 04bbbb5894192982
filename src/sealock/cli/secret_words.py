"""What is told of a secret's scope."""

from __future__ import annotations

from sealock.core.scope import Scope

GIVEN_NOTHING = "That build was given nothing."


def scope_words(scope: Scope) -> str:
    """Where a secret may be used, in words."""
    branches = "protected branches" if scope.protected_only else "every branch, forks included"
    where = "deployments" if scope.deployments_only else "steps that name it"
    only = f" of the pipelines {', '.join(scope.pipelines)}" if scope.pipelines else ""
    return f"{where}{only}, on {branches}"
