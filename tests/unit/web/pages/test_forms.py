"""Forms: what a browser sends is read, anything else is refused."""

from __future__ import annotations

import pytest
from fastapi import HTTPException
from starlette.requests import Request

from sealock.core.errors import UsageError
from sealock.web.pages.forms import Faults, Form, read_form

pytestmark = pytest.mark.anyio


def request(body: bytes, kind: str = "application/x-www-form-urlencoded") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
    return Request(scope, receive)


async def test_a_form_is_read() -> None:
    form = await read_form(request(b"name=+shop+&scope=a&scope=b&keys=one%0D%0Atwo%0D%0A&tick=yes&empty="))
    assert form.text("name") == "shop" and form["name"] == " shop "
    assert form.all("scope") == ("a", "b") and len(form) == 5
    assert form.lines("keys") == ("one", "two") and form.words("keys") == ("one", "two")
    assert form.ticked("tick") and not form.ticked("other")
    assert form.text("other") == "" and form.get("empty") == ""
    assert len(await read_form(request(b""))) == 0


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"a=1", "multipart/form-data; boundary=x", 415),
        (b"a=1", "text/plain", 415),
        (b"a=%ff", "application/x-www-form-urlencoded", 400),
        ("a=é".encode(), "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(501)), "application/x-www-form-urlencoded", 400),
    ],
)
async def test_what_is_no_form_of_ours_is_refused(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(HTTPException) as refused:
        await read_form(request(body, kind))
    assert refused.value.status_code == status


@pytest.mark.parametrize("text", ["", "x", "1.5", "101", "-1", "1e2", "٣", "9" * 50, "+1"])
def test_a_number_that_is_none_is_a_fault(text: str) -> None:
    faults = Faults()
    assert faults.number(Form((("n", text),)), "n", 0, 100) is None
    assert "n" in faults.found


def taken() -> None:
    raise UsageError("it is taken", resolution="Choose another.")


def test_a_fault_is_told_once_and_by_its_field() -> None:
    faults = Faults()
    assert not faults and faults.number(Form((("n", " 7 "),)), "n", 0, 100) == 7
    with faults.naming("name"):
        taken()
    faults.add("name", "again")
    assert faults.found == {"name": "It is taken. Choose another."}
