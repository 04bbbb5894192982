"""What is told of a secret's scope."""

from __future__ import annotations

from typing import NoReturn

from sealock.cli.sanitize import printable
from sealock.core.errors import UsageError
from sealock.core.masking import why_not_masked
from sealock.core.scope import Scope
from sealock.core.secret import Secret

GIVEN_NOTHING = "The keeper's ledger has nothing that was given to that build."


def scope_words(scope: Scope) -> str:
    """Where a secret may be used, in words."""
    branches = "protected branches" if scope.protected_only else "every branch, forks included"
    where = "deployments" if scope.deployments_only else "steps that name it"
    only = f" of the pipelines {', '.join(scope.pipelines)}" if scope.pipelines else ""
    also = ", and of directories of this host" if scope.directories else ""
    return f"{where}{only}, on {branches}{also}"


def only_of(repository: str) -> str:
    """What a secret is bound to besides, as a sentence."""
    return f"It is for code of {repository} alone."


def no_directories() -> NoReturn:
    """UsageError: directories are for this host alone."""
    raise UsageError(
        "a server builds no directories, so no secret of it is for them",
        resolution="Leave out --directories.",
    )


def never_had(project: str, name: str) -> NoReturn:
    """UsageError: there is no such secret, and was none."""
    raise UsageError(
        f"{printable(project)} never had a secret {printable(name)}",
        resolution=f"`sealock secrets list {printable(project)}` lists them.",
    )


def masking_words(value: Secret) -> str | None:
    """What to tell of a value that logs will show; None if they will not."""
    why = why_not_masked(value.reveal())
    return None if why is None else f"NOTE: it is {why}."
