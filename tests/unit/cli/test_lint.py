"""`sealock lint`, with the reader that builds use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.plan import PlanReader
from sealock.pipeline.reader import read_plan

Sealock = Callable[..., tuple[int, str, str]]


class LintTools:
    def plan_reader(self) -> PlanReader:
        return read_plan


@pytest.fixture
def tools() -> LintTools:
    return LintTools()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sealock.yml"


def test_a_file_in_order_says_what_would_run(sealock: Sealock, file: Path) -> None:
    file.write_text("setup:\n  - pip install .\ntest:\n  - pytest\n  - ruff check\n")
    code, out, err = sealock("lint")
    assert (code, err) == (0, "")
    assert "sealock.yml is in order" in out and "2 commands" in out
    assert json.loads(sealock("lint", "--json")[1])["ok"] is True


def test_a_mistake_has_its_place_and_what_to_do(sealock: Sealock, file: Path) -> None:
    file.write_text("test:\n  - pytest\nimgae: python\n")
    code, out, err = sealock("lint")
    assert (code, out) == (2, "")
    assert "sealock.yml:3:1: " in err and "image" in err
    code, out, _ = sealock("lint", str(file), "--json")
    told = json.loads(out)
    assert code == 2 and (told["line"], told["column"], told["ok"]) == (3, 1, False)


def test_a_pipeline_that_is_not_there_is_told(sealock: Sealock, file: Path) -> None:
    file.write_text("test:\n  - pytest\n")
    assert sealock("lint", "--pipeline", "nothing")[0] == 2


def test_a_file_that_is_not_there_is_told(sealock: Sealock, file: Path) -> None:
    code, _, err = sealock("lint")
    assert code == 2 and "cannot be read" in err
