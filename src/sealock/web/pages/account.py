"""One's account: its limits, oneself, one's browsers and tokens, how pages look.

A token is made for some of what its person may, always ends, and is shown once. A new password ends all other
sessions.
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from sealock.core.access import TOKEN_PERMISSIONS, Permission
from sealock.core.accounts import LONGEST_ACCOUNT_NAME, MOST_RUNNING
from sealock.core.secret import Secret
from sealock.web.asking import service_of
from sealock.web.pages.forms import Faults, Form, read_form, see_other
from sealock.web.pages.frame import Asker, Needs, Viewer, render
from sealock.web.pages.preferences import KEYS, THEMES, keep_preferences
from sealock.web.ports import WebPorts
from sealock.web.rates import SIGN_IN
from sealock.web.security import address_of
from sealock.web.written import TOKEN_NAME, in_words

LONGEST_LIFE = 366
"""Days of a token."""
WORDS = {
    Permission.PROJECTS_READ: "See projects",
    Permission.PROJECTS_WRITE: "Make, change and remove projects",
    Permission.BUILDS_READ: "See builds",
    Permission.BUILDS_START: "Start builds",
    Permission.BUILDS_CANCEL: "Cancel builds",
    Permission.LOGS_READ: "Read logs",
    Permission.SECRETS_WRITE: "Set and remove secrets",
    Permission.MEMBERS_WRITE: "Change the account",
    Permission.AUDIT_READ: "See which secrets builds were given",
    Permission.WORKERS_WRITE: "Add, drain and remove workers",
}
"""What a token is made for, in words: each of `core.access.TOKEN_PERMISSIONS`."""
USUAL = frozenset(
    {Permission.PROJECTS_READ, Permission.BUILDS_READ, Permission.BUILDS_START, Permission.LOGS_READ}
)
DONE = {
    "preferences": "This browser keeps it.",
    "password": "Your password is changed. All your other sessions are ended.",
    "session": "The session is ended.",
    "token": "The token is ended.",
    "account": "The account is changed.",
}

SessionsWriter = Annotated[Viewer, Depends(Needs(Permission.OWN_SESSIONS_WRITE))]
TokensWriter = Annotated[Viewer, Depends(Needs(Permission.OWN_TOKENS_WRITE))]
Owner = Annotated[Viewer, Depends(Needs(Permission.MEMBERS_WRITE))]
router = APIRouter(prefix="/account", include_in_schema=False)


@router.get("")
async def account_page(request: Request, asker: Asker) -> Response:
    """The page."""
    return await _page(request, asker)


@router.post("")
async def change_account(request: Request, asker: Owner) -> Response:
    """Change the account's name, and how many builds it may have at once."""
    form, faults = await read_form(request), Faults()
    name = form.text("name")
    if not 1 <= len(name) <= LONGEST_ACCOUNT_NAME or not name.isprintable():
        faults.add("name", f"A name of at most {LONGEST_ACCOUNT_NAME} characters is needed.")
    most = faults.number(form, "max_running", 0, MOST_RUNNING)
    if faults or most is None:
        return await _page(request, asker, form=form, faults=faults)
    if not await service_of(request).accounts.change(asker.account, name=name, max_running=most):
        raise HTTPException(404, "There is no such account.")
    return see_other("/account?done=account")


@router.post("/preferences")
async def change_preferences(request: Request, asker: Asker) -> Response:
    """How pages look and are used in this browser."""
    form = await read_form(request)
    answer = see_other("/account?done=preferences#preferences")
    keep_preferences(answer, form.get("theme", ""), form.get("keys", ""))
    return answer


@router.post("/password")
async def change_password(request: Request, asker: SessionsWriter) -> Response:
    """A new password, by the old one; every other session of this person ends."""
    ports: WebPorts = request.app.state.ports
    if not await ports.rates.count(SIGN_IN, address_of(request.scope), asker.person.email):
        raise HTTPException(429, "Too many tries. Wait a minute.", {"Retry-After": "60"})
    form, faults = await read_form(request), Faults()
    old, new = (Secret(form.get(name, "")[:1024].encode(errors="replace")) for name in ("old", "new"))
    if form.get("new") != form.get("again"):
        faults.add("again", "The two new passwords are not the same.")
    if not faults:
        with old, new, faults.naming("new"):
            if not await ports.sign_in.change_password(asker.person, old, new):
                faults.add("old", "This is not your password.")
    if faults:
        return await _page(request, asker, faults=faults)
    await ports.sessions.revoke_others(asker.person, asker.session)
    return see_other("/account?done=password")


@router.post("/sessions/{session_id}/end")
async def end_session(request: Request, session_id: str, asker: SessionsWriter) -> Response:
    """End one of one's own sessions."""
    ports: WebPorts = request.app.state.ports
    if not session_id.isprintable() or not await ports.sessions.revoke(asker.person, session_id):
        raise HTTPException(404, "You have no such session.")
    return see_other("/account?done=session#sessions")


@router.post("/tokens")
async def make_token(request: Request, asker: TokensWriter) -> Response:
    """Make a token; the page then has its text, once."""
    form, faults = await read_form(request), Faults()
    name, days = form.text("token_name"), faults.number(form, "days", 1, LONGEST_LIFE)
    scopes = frozenset(one for one in TOKEN_PERMISSIONS if one.value in form.all("scope"))
    if not re.fullmatch(TOKEN_NAME, name):
        faults.add("token_name", in_words(TOKEN_NAME))
    if not scopes or len(scopes) != len(set(form.all("scope"))):
        faults.add("scope", "Choose what it may do.")
    text = ""
    if not faults and days is not None:
        ports: WebPorts = request.app.state.ports
        with faults.naming("scope"):
            _, value = await ports.tokens.make(asker.person, asker.account, name, scopes, days)
            with value:
                text = value.reveal().decode()
    return await _page(request, asker, token_form=form if faults else None, faults=faults, token=text)


@router.post("/tokens/{token_id}/end")
async def end_token(request: Request, token_id: str, asker: TokensWriter) -> Response:
    """End one of one's own tokens."""
    ports: WebPorts = request.app.state.ports
    if not token_id.isprintable() or not await ports.tokens.revoke(asker.person, token_id):
        raise HTTPException(404, "You have no such token.")
    return see_other("/account?done=token#tokens")


async def _page(
    request: Request,
    asker: Viewer,
    *,
    form: Form | None = None,
    token_form: Form | None = None,
    faults: Faults | None = None,
    token: str = "",
) -> Response:
    ports: WebPorts = request.app.state.ports
    return render(
        request,
        "account.html",
        422 if faults else 200,
        account=await service_of(request).accounts.get(asker.account) if asker.account else None,
        sessions=await ports.sessions.all_of(asker.person),
        tokens=[one for one in await ports.tokens.all_of(asker.person) if one.account == asker.account],
        scopes=_scopes(asker, token_form),
        form=form or Form(),
        token_form=token_form or Form(),
        faults=(faults or Faults()).found,
        token=token,
        words=WORDS,
        longest_life=LONGEST_LIFE,
        longest_name=LONGEST_ACCOUNT_NAME,
        most_running=MOST_RUNNING,
        themes=THEMES,
        key_words=KEYS,
        done=DONE.get(request.query_params.get("done", ""), ""),
        now=time.time(),
    )


def _scopes(asker: Viewer, form: Form | None) -> list[dict[str, Any]]:
    """What a token of theirs can be made for, and which of it is ticked."""
    ticked = set(form.all("scope")) if form else {one.value for one in USUAL}
    return [
        {"value": one.value, "word": WORDS[one], "ticked": one.value in ticked}
        for one in TOKEN_PERMISSIONS
        if asker.may(one)
    ]
