"""A receipt's page: what it says is told, whatever it is made of, and the file is the one that was signed."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from tests.support.pages import Page
from tests.support.site import Site

pytestmark = pytest.mark.anyio
RECEIPTS = Path(__file__).parents[2] / "ledger/receipts"
ALTERED = sorted(path.name for path in RECEIPTS.glob("*.jsonl"))


async def test_it_says_what_was_built_and_measured(site: Site, browser: httpx2.AsyncClient) -> None:
    await site.keep_receipt(site.green, (RECEIPTS / "good-with-log.intoto.jsonl").read_bytes())
    answer = await browser.get(f"/builds/{site.green}/receipt")
    page = Page(answer.text)
    assert answer.status_code == 200 and "The machine, as it was measured" in page.text
    assert "Written to disk" in page.text and "sha256:" in page.text and "gitCommit:" in page.text
    assert "sealock receipt verify shop-1.receipt.jsonl --key installation.pub" in page.text
    assert "BEGIN PUBLIC KEY" in page.text
    assert "Its kernel, initrd and root: <code>sha256:" in answer.text


async def test_the_download_is_the_file(site: Site, browser: httpx2.AsyncClient) -> None:
    content = (RECEIPTS / "good.intoto.jsonl").read_bytes()
    await site.keep_receipt(site.green, content)
    answer = await browser.get(f"/builds/{site.green}/receipt/download")
    assert answer.content == content
    assert answer.headers["content-disposition"] == 'attachment; filename="shop-1.receipt.jsonl"'


@pytest.mark.parametrize("name", ALTERED)
async def test_whatever_it_is_the_page_is_shown(site: Site, browser: httpx2.AsyncClient, name: str) -> None:
    await site.keep_receipt(site.green, (RECEIPTS / name).read_bytes())
    answer = await browser.get(f"/builds/{site.green}/receipt")
    assert answer.status_code == 200 and "sealock receipt verify" in answer.text


async def test_what_is_none_is_told(site: Site, browser: httpx2.AsyncClient) -> None:
    answer = await browser.get(f"/builds/{site.green}/receipt")
    assert "This receipt cannot be shown here" in answer.text


async def test_without_a_receipt_there_is_no_page(site: Site, browser: httpx2.AsyncClient) -> None:
    for build in (site.running, site.queued, site.foreign_build, "0" * 32, "x"):
        for path in ("receipt", "receipt/download"):
            assert (await browser.get(f"/builds/{build}/{path}")).status_code == 404
    assert (await browser.get(f"/builds/{site.green}/receipt?attempt=2")).status_code == 404
