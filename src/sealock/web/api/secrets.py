"""A project's secrets: they go in and never come out. What is listed are names and versions."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field, SecretStr

from sealock.core.access import Permission
from sealock.core.masking import why_not_masked
from sealock.core.plan import MOST_PIPELINES
from sealock.core.scope import Scope
from sealock.core.sealed import LONGEST_VALUE, Kind, SealedVersion
from sealock.core.secret import Secret
from sealock.web.api.errors import conflict, found, naming, wrong
from sealock.web.api.found import ProjectPath, project_of
from sealock.web.api.lists import Cursor, Limit, part
from sealock.web.api.shapes import Given, Items, Told
from sealock.web.asking import Asker, Asks, service_of
from sealock.web.written import PIPELINE, SECRET

router = APIRouter(tags=["secrets"])

Writer = Annotated[Asker, Depends(Asks(Permission.SECRETS_WRITE))]
NamePath = Annotated[str, Path(pattern=SECRET, description="The secret's name.")]
Pipeline = Annotated[str, Field(pattern=PIPELINE)]
Pipelines = Annotated[list[Pipeline], Field(max_length=MOST_PIPELINES)]

LONGEST_TEXT = 4 * -(-LONGEST_VALUE // 3)
"""Characters: of the largest value as Base64."""


class NewSecret(Given):
    """value: what a step gets; with `encoding` `base64` the bytes it stands for. pipelines: whose steps may
    have it, none named means all."""

    value: Annotated[SecretStr, Field(max_length=LONGEST_TEXT)]
    encoding: Literal["text", "base64"] = "text"
    kind: Literal["variable", "file"] = "variable"
    pipelines: Pipelines = Field(default_factory=list)
    deployments_only: bool = False
    protected_only: bool = True


class SecretVersion(Told):
    """One version. destroyed_at: since when nothing is left but this line. pinned: kept for a restart."""

    name: str
    kind: Kind
    version: int
    created_at: float
    pinned: bool
    destroyed_at: float | None

    @staticmethod
    def of(told: SealedVersion) -> SecretVersion:
        return SecretVersion(
            name=told.name.name,
            kind=told.name.kind,
            version=told.name.version,
            created_at=told.created_at,
            pinned=told.pinned,
            destroyed_at=told.destroyed_at,
        )


class KeptSecret(Told):
    """What was kept, and as which version. repository: it is given to builds of this one alone. masked: in
    logs; not if it is too short or too common."""

    name: str
    kind: Kind
    version: int
    repository: str
    masked: bool


@router.get("/projects/{project}/secrets")
async def list_secrets(
    request: Request, project: ProjectPath, asker: Writer, cursor: Cursor = None, limit: Limit = 100
) -> Items[SecretVersion]:
    """Every version there ever was, by kind, name and version."""
    record = await project_of(service_of(request), asker, project)
    with found("project"):
        versions = await service_of(request).secrets.all(asker.account, record.id)
    question = ("secrets", asker.account, record.id)
    return part(versions, _place, SecretVersion.of, question=question, cursor=cursor, limit=limit)


@router.put("/projects/{project}/secrets/{name}")
async def keep_secret(
    request: Request, project: ProjectPath, name: NamePath, new: NewSecret, asker: Writer
) -> KeptSecret:
    """Seal a value as the next version of that name. Nothing can read it back but the steps it is for."""
    record = await project_of(service_of(request), asker, project)
    scope = Scope(tuple(new.pipelines), new.deployments_only, new.protected_only)
    with _value(new) as value, found("project"), naming("name", "path"):
        masked = why_not_masked(value.reveal()) is None
        kept = await service_of(request).secrets.keep(
            asker.account, record.id, kind=Kind(new.kind), name=name, value=value, scope=scope
        )
    return KeptSecret(
        name=kept.name,
        kind=kept.kind,
        version=kept.version,
        repository=str(record.address),
        masked=masked,
    )


@router.delete("/projects/{project}/secrets/{name}", status_code=204)
async def remove_secret(
    request: Request,
    project: ProjectPath,
    name: NamePath,
    asker: Writer,
    version: Annotated[int | None, Query(ge=1, lt=2**53, description="Only this one.")] = None,
) -> None:
    """Destroy every version of that name, or one."""
    record = await project_of(service_of(request), asker, project)
    with found("secret"), conflict():
        await service_of(request).secrets.remove(asker.account, record.id, name, version)


def _place(told: SealedVersion) -> str:
    return f"{told.name.kind} {told.name.name} {told.name.version:016d}"


def _value(new: NewSecret) -> Secret:
    text = new.value.get_secret_value()
    if new.encoding == "text":
        return Secret(text.encode())
    try:
        return Secret(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        # Without the cause, whose text could hold a part of it.
        raise wrong("value", "This is not Base64.") from None
