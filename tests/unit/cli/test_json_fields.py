"""The fields of what `--json` prints of lists are all that the documentation promises."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from sealock.cli import image, keeper_workers, local_secrets, project
from sealock.core.errors import ExitCode
from sealock.core.image import Image
from sealock.core.keeper import KnownWorker
from sealock.core.machine import Remains
from sealock.core.project import Project, SealedKey
from sealock.core.release import Entry
from sealock.core.sealed import Kind, SealedName, SealedVersion
from sealock.core.source import GitAddress
from sealock.web.api import receipts, secrets, shapes
from tests.unit.cli.conftest import FakeTools

PAGE = (Path(__file__).parents[3] / "docs/cli.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (`.*`) \| (`[a-z_]+`(?: `[a-z_]+`)*) \|$", re.MULTILINE)
PROJECT = Project(
    *("p", "shop", GitAddress("git", "h", 22, "p"), (), "k", SealedKey(1, "", "", "", "", "", ""), 0.0)
)
VERSION = SealedVersion(SealedName("a", "p", Kind.VARIABLE, "N", 1), 0.0)
HERE = Path("x")
IMAGE = Image("sha256:0", "sha256:1", "n", "bookworm", "builder", HERE, HERE, HERE, 0.0, 1)
NAMES: dict[str, Iterable[str]] = {
    "projects list": shapes.Project.model_fields,
    "builds list": shapes.Build.model_fields,
    "workers list": shapes.Worker.model_fields,
    "secrets list": secrets.SecretVersion.model_fields,
    "secrets history": secrets.SecretVersion.model_fields,
    "secrets list --local": local_secrets._shown(VERSION),
    "secrets history --local": local_secrets._shown(VERSION),
    "secrets exposures": receipts.Exposure.model_fields,
    "secrets exposures --local": ["attempt", *(field.name for field in fields(Entry))],
    "project list": project._shown(PROJECT),
    "image list": image._shown(IMAGE),
    "keeper workers": keeper_workers._told(KnownWorker("a", bytes(32), 1.0, "local")),
    "machines": [field.name for field in fields(Remains)],
}
DOCUMENTED = {
    name: re.findall(r"[a-z_]+", listed)
    for names, listed in ROW.findall(PAGE)
    for name in re.findall(r"`(.*?)`", names)
}


@pytest.mark.parametrize("name", NAMES)
def test_no_field_that_was_promised_is_gone(name: str) -> None:
    assert set(DOCUMENTED[name]) <= set(NAMES[name])


def test_every_list_is_documented() -> None:
    assert set(DOCUMENTED) == set(NAMES)


def test_machines_and_settings_print_what_is_promised(
    tools: FakeTools, sealock: Callable[..., tuple[int, str, str]]
) -> None:
    assert json.loads(sealock("machines", "--json")[1]) == []
    shown = json.loads(sealock("settings", "show", "--json")[1])
    assert all(set(value) == {"value", "source"} for value in shown.values()) and shown


def test_the_exit_codes_are_those_of_the_documentation() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \| ", PAGE, re.MULTILINE)}
    assert told == {*map(int, ExitCode), 130}


def test_a_question_that_is_answered_with_no_ends_as_promised(
    tools: FakeTools, sealock: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert sealock("keeper", "end-all")[0] == 130
