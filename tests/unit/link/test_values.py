"""A website that was taken over does not choose which secret a step is given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sealock.builds.pinned import Pinned, Version
from sealock.core.project import owner_of
from sealock.core.sealed import Kind, Owner, Sealed, SealedName
from sealock.link.errors import NotTaken
from sealock.link.job import JobLink
from sealock.link.values import JobValues, Wanted

pytestmark = pytest.mark.anyio

OURS = owner_of("a" * 32)
TOKEN = SealedName(OURS.account, OURS.project, Kind.VARIABLE, "TOKEN", 2)


class Website(JobLink):
    """Answers as it likes."""

    def __init__(self, *answers: SealedName) -> None:
        self._answers = [Sealed(name, 1, "suite", b"", 0.0) for name in answers]
        self.asked: list[Wanted] = []

    async def sealed(self, kind: Kind, name: str, version: int | None) -> Sealed | None:
        self.asked.append((kind, name, version))
        return self._answers[len(self.asked) - 1] if len(self.asked) <= len(self._answers) else None


async def test_what_was_asked_for_is_taken() -> None:
    website = Website(TOKEN)
    values = JobValues(website)
    await values.bring(["TOKEN"], None)
    found = values.get(OURS, Kind.VARIABLE, "TOKEN")
    assert found is not None and found.name == TOKEN
    assert values.get(OURS, Kind.VARIABLE, "TOKEN", 2) == found
    assert values.get(OURS, Kind.FILE, "TOKEN") is None
    assert website.asked == [(Kind.VARIABLE, "TOKEN", None), (Kind.FILE, "TOKEN", None)]


@pytest.mark.parametrize(
    "other",
    [replace(TOKEN, name="PASSWORD"), replace(TOKEN, kind=Kind.FILE), replace(TOKEN, kind=Kind.SSH_KEY)],
)
async def test_another_secret_of_the_project_is_not(other: SealedName) -> None:
    values = JobValues(Website(other))
    with pytest.raises(NotTaken):
        await values.bring(["TOKEN"], None)
    assert values.get(OURS, Kind.VARIABLE, "TOKEN") is None
    assert values.get(other.owner, other.kind, other.name) is None


async def test_another_version_than_the_pinned_one_is_not() -> None:
    pinned = Pinned("b" * 32, frozenset(), {"TOKEN": Version(Kind.VARIABLE, 1)})
    values = JobValues(Website(TOKEN))
    with pytest.raises(NotTaken):
        await values.bring(["TOKEN"], pinned)
    assert values.get(OURS, Kind.VARIABLE, "TOKEN", 1) is None


@pytest.mark.parametrize(
    "owner", [Owner(OURS.account), Owner(OURS.account, "b" * 32), Owner("other", OURS.project)]
)
async def test_another_owners_is_not_found(owner: Owner) -> None:
    values = JobValues(Website(replace(TOKEN, account=owner.account, project=owner.project)))
    await values.bring(["TOKEN"], None)
    assert values.get(OURS, Kind.VARIABLE, "TOKEN") is None
