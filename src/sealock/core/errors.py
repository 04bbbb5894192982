"""What can go wrong, by who must act.

    SealockError
    ├── UsageError             the person at the keyboard: an argument, a file, a setting      exit 2
    │   └── ConfigError        …in a configuration file, at a line and column
    └── InfrastructureError    the operator: this host, this installation                      exit 3
        ├── TemporaryError     the same request may succeed if made again in a new machine
        └── PermanentError     it will not until somebody changes something

A build that fails because its own commands fail is not an error: it is an outcome (`core.build`).
Every error says briefly what happened, what was seen (details), and what to do next (resolution).
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command of Sealock ends with."""

    GREEN = 0
    BUILD_FAILED = 1
    USAGE = 2
    INFRASTRUCTURE = 3


class SealockError(Exception):
    """An error meant for a reader.

    brief: one line, what happened. details: what was seen, may have several lines.
    resolution: what to do next, one or two sentences.
    """

    exit_code: ExitCode = ExitCode.INFRASTRUCTURE

    def __init__(self, brief: str, *, details: str = "", resolution: str = "") -> None:
        super().__init__(brief)
        self.brief = brief
        self.details = details
        self.resolution = resolution

    def __str__(self) -> str:
        """All three parts, each on a line of its own."""
        parts = [self.brief]
        if self.details:
            parts.append(self.details)
        if self.resolution:
            parts.append(f"What to do: {self.resolution}")
        return "\n".join(parts)


class UsageError(SealockError):
    """What was asked for cannot be done as it was asked."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A mistake in a configuration file; `brief` begins with `file:line:column: `."""

    def __init__(
        self, file: str, line: int, column: int, message: str, *, details: str = "", resolution: str = ""
    ) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}", details=details, resolution=resolution)
        self.file = file
        self.line = line
        self.column = column
        self.message = message


class InfrastructureError(SealockError):
    """This host or installation could not do its part."""

    retryable = False


class TemporaryError(InfrastructureError):
    """A second try in a new machine may succeed."""

    retryable = True


class PermanentError(InfrastructureError):
    """A second try will fail the same way until somebody acts."""
