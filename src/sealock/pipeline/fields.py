"""The words and numbers a field may hold, with their limits: durations, sizes, names."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from sealock.core.machine import STATE_DEADLINES, MachineState
from sealock.core.plan import PIPELINE_NAME
from sealock.core.sealed import SEALED_NAME
from sealock.pipeline.refuse import refuse

# A machine is ended past its own deadline, whatever the plan says; the plan's has to come first, with
# time left for the fetch.
LONGEST_SECONDS = (STATE_DEADLINES[MachineState.BUSY] or 0) - 1800.0
SMALLEST_MEMORY_MIB = 128
LARGEST_MEMORY_MIB = 64 * 1024
SMALLEST_DISK_MIB = 16
MOST_CPUS = 32
DEEPEST_CHECKOUT = 1_000_000
# The kernel takes 128 KiB for one variable; all of them stay well below it, since every program that
# a command starts gets a copy.
ENVIRONMENT_BYTES = 64 * 1024
MOST_SECRETS = 64

_DURATION = re.compile(r"(?=[0-9])(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")
_SIZE = re.compile(r"([0-9]{1,7}) ?(MiB|GiB)")
_NEARLY_A_SIZE = re.compile(r"([0-9]{1,7}) ?([mg])i?b?", re.IGNORECASE)
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}|sha256:[0-9a-f]{12,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# `setup` is what the step before all pipelines is called, and `commands` is a field of a pipeline.
_TAKEN_NAMES = ("setup", "commands")


def _duration(value: object) -> float:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise refuse("must be a time with its unit", "Write it as in `90s`, `10m` or `1h30m`.", seen=True)
    hours, minutes, seconds = (int(number or 0) for number in found.groups())
    total = hours * 3600.0 + minutes * 60 + seconds
    if not 1 <= total <= LONGEST_SECONDS:
        limit = f"{LONGEST_SECONDS / 60:.0f}m"
        raise refuse(f"must be between 1s and {limit}", "Split longer work into several builds.", seen=True)
    return total


def _mebibytes(value: object) -> int:
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise refuse("must be a size with its unit", _size_hint(value), seen=True)
    return int(found[1]) * (1024 if found[2] == "GiB" else 1)


def _size_hint(value: object) -> str:
    nearly = _NEARLY_A_SIZE.fullmatch(value) if isinstance(value, str) else None
    example = f"{nearly[1]} {nearly[2].upper()}iB" if nearly else "2 GiB"
    return f"Write it as in `{example}`; the units are MiB and GiB."


def _memory(mebibytes: int) -> int:
    if not SMALLEST_MEMORY_MIB <= mebibytes <= LARGEST_MEMORY_MIB:
        raise refuse(
            f"must be between {SMALLEST_MEMORY_MIB} MiB and {LARGEST_MEMORY_MIB // 1024} GiB", seen=True
        )
    return mebibytes


def _disk(mebibytes: int) -> int:
    if mebibytes < SMALLEST_DISK_MIB:
        raise refuse(f"must be at least {SMALLEST_DISK_MIB} MiB", seen=True)
    return mebibytes


def is_image(name: str) -> bool:
    """Whether an image may be called this: a recipe's name, or the beginning of a digest."""
    return _IMAGE.fullmatch(name) is not None


def _image(name: str) -> str:
    if not is_image(name):
        raise refuse(
            "must be an image's name or digest", "`sealock image list` shows those of this host.", seen=True
        )
    return name


def _pipeline(name: str) -> str:
    if name in _TAKEN_NAMES:
        raise refuse("a pipeline cannot have this name", "Choose another name, such as `unit`.")
    if not PIPELINE_NAME.fullmatch(name):
        raise refuse(
            "is not a pipeline's name",
            "Use letters, digits, `.`, `_` and `-`, at most 63, a letter or digit first.",
        )
    return name


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise refuse("is not a variable's name", "Use letters, digits and `_`, not a digit first.")
    if name.startswith("SEALOCK_"):
        raise refuse("names that begin with `SEALOCK_` are Sealock's own", "Choose another name.")
    return name


def _secret(name: str) -> str:
    if not SEALED_NAME.fullmatch(name):
        raise refuse(
            "is not a secret's name",
            "Use letters, digits, `.`, `_` and `-`, at most 128, a letter, digit or `_` first. "
            "The value does not stand in this file: `sealock secrets set` takes it.",
        )
    return name


def _names(value: object) -> object:
    if not isinstance(value, list):
        raise refuse("must be a list of secrets' names", "Write it as in `[API_TOKEN, kubeconfig]`.")
    return tuple(value)


def _secrets(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > MOST_SECRETS:
        raise refuse(f"names {len(names)} secrets; {MOST_SECRETS} are allowed", "Give the step fewer.")
    if len(set(names)) != len(names):
        raise refuse("names a secret twice", "Name each once.")
    return names


def _environment(variables: dict[str, str]) -> dict[str, str]:
    size = sum(len(name.encode()) + len(value.encode()) + 2 for name, value in variables.items())
    if size > ENVIRONMENT_BYTES:
        message = f"takes {size} bytes; {ENVIRONMENT_BYTES} are allowed"
        raise refuse(message, "Move long values into files of the repository.")
    return variables


def _schema_pattern(pattern: re.Pattern[str]) -> Any:
    """Only said in the schema for editors; the check itself has words of its own."""
    return Field(json_schema_extra={"pattern": f"^(?:{pattern.pattern})$"})


_DurationText = Annotated[str, _schema_pattern(_DURATION)]
_SizeText = Annotated[str, _schema_pattern(_SIZE)]

Duration = Annotated[float, BeforeValidator(_duration, json_schema_input_type=_DurationText)]
Memory = Annotated[
    int, BeforeValidator(_mebibytes, json_schema_input_type=_SizeText), AfterValidator(_memory)
]
Disk = Annotated[int, BeforeValidator(_mebibytes, json_schema_input_type=_SizeText), AfterValidator(_disk)]
ImageName = Annotated[str, AfterValidator(_image), _schema_pattern(_IMAGE)]
PipelineName = Annotated[str, AfterValidator(_pipeline), _schema_pattern(PIPELINE_NAME)]
VariableName = Annotated[str, AfterValidator(_variable), _schema_pattern(_VARIABLE)]
SecretName = Annotated[str, AfterValidator(_secret), _schema_pattern(SEALED_NAME)]
SecretNames = Annotated[
    tuple[SecretName, ...],
    BeforeValidator(_names, json_schema_input_type=list[SecretName]),
    AfterValidator(_secrets),
]
Environment = Annotated[
    dict[VariableName, str],
    AfterValidator(_environment),
    Field(json_schema_extra={"additionalProperties": False}),
]
