"""The installation, and one's accounts in it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from sealock.core.access import Permission
from sealock.web.api.errors import missing, naming
from sealock.web.api.shapes import Account, AccountChange, Items, Told
from sealock.web.asking import Asker, Asks, AsksInstallation, service_of

router = APIRouter(tags=["accounts"])

Anybody = Annotated[Asker, Depends(AsksInstallation(None))]
AccountPath = Annotated[str, Path(max_length=64, description="An account's id.")]


class Installation(Told):
    """public_key: receipts are signed with its other half, PEM. authority: of its certificates, PEM; null
    with an operator's certificate. keep_logs: days after a build's end, 0 for ever. workers: the address that
    workers of other hosts are given; empty where it is not known."""

    name: str
    version: str
    public_key: str
    authority: str | None
    keep_logs: int
    workers: str


class OwnAccount(Account):
    """roles: one's own in it."""

    roles: list[str]


@router.get("/installation")
async def installation(request: Request, asker: Anybody) -> Installation:
    """What this installation is, and by which key its receipts are checked."""
    site = service_of(request).site
    return Installation(
        name=site.name,
        version=site.version,
        public_key=site.public_key.decode(),
        authority=site.authority.decode() if site.authority else None,
        keep_logs=site.keep_logs,
        workers=site.workers,
    )


@router.get("/accounts")
async def list_accounts(request: Request, asker: Anybody) -> Items[OwnAccount]:
    """One's own accounts; a token's is the one it was made for."""
    held = [one for one in asker.person.memberships if one.account]
    if asker.token is not None:
        held = [one for one in held if one.account == asker.token.account]
    items = []
    for account in sorted({one.account for one in held}):
        if (record := await service_of(request).accounts.get(account)) is not None:
            roles = sorted(one.role.value for one in held if one.account == account)
            items.append(OwnAccount(**vars(record), roles=roles))
    return Items(items=items)


@router.get("/accounts/{account_id}")
async def show_account(
    request: Request,
    account_id: AccountPath,
    asker: Annotated[Asker, Depends(Asks(Permission.PROJECTS_READ))],
) -> Account:
    """One account."""
    return await _told(request, asker, account_id)


@router.patch("/accounts/{account_id}")
async def change_account(
    request: Request,
    account_id: AccountPath,
    change: AccountChange,
    asker: Annotated[Asker, Depends(Asks(Permission.MEMBERS_WRITE))],
) -> Account:
    """Change its name, or how many builds it may have at once."""
    await _told(request, asker, account_id)
    with naming("name"):
        await service_of(request).accounts.change(account_id, **change.model_dump(exclude_none=True))
    return await _told(request, asker, account_id)


async def _told(request: Request, asker: Asker, account_id: str) -> Account:
    record = await service_of(request).accounts.get(account_id) if account_id == asker.account else None
    if record is None:
        raise missing("account")
    return Account.of(record)
