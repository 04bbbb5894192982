"""The docs keep up: every setting, command and make target has its words, and every link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sealock.cli.main import sealock
from sealock.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)]*)?\)")


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    """`sealock project add` and its like, leaves only."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))
    else:
        yield " ".join(path), command


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_its_paragraph(name: str) -> None:
    assert f"`{name}`" in text("docs/settings.md")


def test_every_command_and_option_has_its_paragraph() -> None:
    page = text("docs/cli.md")
    missing = []
    for path, command in commands(sealock, ("sealock",)):
        options = {long for parameter in command.params for long in parameter.opts if long.startswith("--")}
        missing += [f"{path} {option}" for option in sorted(options) if option not in page]
        missing += [path] if path not in page else []
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    broken = [
        link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()
    ]
    assert not broken


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = LINK.findall(page.read_text(encoding="utf-8"))
        waiting += [(page.parent / link).resolve() for link in links if (page.parent / link).is_file()]
    assert set(PAGES) <= seen


def headings(page: Path) -> set[str]:
    """What a link can name of a page, as the hosts of repositories work it out of its headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)\s#]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    places = [((page.parent / link).resolve() if link else page, heading) for link, heading in links]
    assert [
        f"{to.name}#{name}" for to, name in places if to.suffix == ".md" and name not in headings(to)
    ] == []


def test_every_decision_is_in_the_designs_list() -> None:
    decisions = {path.name for path in (ROOT / "docs/decisions").iterdir()}
    assert decisions == set(re.findall(r"\]\(decisions/([^)]+)\)", text("docs/design.md")))


def test_the_make_targets_the_docs_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    named = {
        name for page in PAGES for name in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))
    }
    assert named <= targets


def test_the_charter_speaks_of_every_promise_in_order() -> None:
    rows = re.findall(r"^\| (P\d+) \| .*? \| (?:kept|part|to come) \|", text("docs/charter.md"), re.MULTILINE)
    assert rows == [f"P{number}" for number in range(1, 19)]


def test_the_changelog_fragments_have_a_known_kind() -> None:
    kinds = {"feature", "bugfix", "doc", "removal", "misc"}
    fragments = [
        path for path in (ROOT / "changelog.d").iterdir() if path.name not in {"README.md", ".gitignore"}
    ]
    assert fragments
    assert all(path.suffix == ".md" and path.stem.rpartition(".")[2] in kinds for path in fragments)


def test_the_walkthrough_names_what_is_there() -> None:
    page = text("docs/walkthrough.md")
    source = ROOT / "src/sealock"
    files = set(re.findall(r"`([\w/]+(?:\.py|/(?:exec|shell|start|init)))`", page))
    missing = [file for file in files if not (source / file).exists()]
    for name, file in re.findall(r"`([\w.]+)` in `([\w/]+\.py)`", page):
        called = name.rpartition(".")[2]
        if not re.search(rf"(def|class) {called}\b", (source / file).read_text(encoding="utf-8")):
            missing.append(f"{name} in {file}")
    assert not missing
