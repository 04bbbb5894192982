"""The door for workers over real TLS: joining, renewing, what each may say, and the log on its way."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sealock.builds import worker_wire as wire
from sealock.core.build import Outcome
from sealock.core.builds import Progress, run_id
from sealock.core.errors import PermanentError, UsageError
from sealock.core.project import Project
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Beat, Supersede
from sealock.core.sealed import LOCAL_ACCOUNT, Kind, Owner, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.link.errors import Lost, NotKnown, NotTaken, NotTheWebsite, WebsiteAway
from sealock.link.identity import Identity, JoinToken, new_pair, trusting
from sealock.link.job import JobLink
from sealock.link.joining import join
from sealock.link.logs import Upload
from sealock.link.website import Website
from sealock.link.worker import Offer, Worker
from sealock.livelog.files import LogFiles
from sealock.machines.fake import FakeMachines
from tests.support.checkout import Bench, bench
from tests.support.worker_site import Builder, WorkerSite, worker_site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WorkerSite]:
    async with worker_site(tmp_path) as found:
        yield found


@pytest.fixture
async def website(site: WorkerSite) -> AsyncIterator[Website]:
    """As a worker that has joined."""
    _, identity = await site.joined()
    async with Website(site.url, identity.tls()) as found:
        await found.say("hello", wire.Hello(version="1", machines=4, labels=()), wire.Welcome)
        yield found


@pytest.fixture
async def job(site: WorkerSite, website: Website, made: Bench) -> wire.Job:
    """A build that worker has."""
    project = await site.add_project(made, ProjectSettings(supersede=Supersede.NOTHING))
    await site.push(project, "ab" * 20)
    return await claimed(website)


async def claimed(website: Website) -> wire.Job:
    found = (await website.say("claim", None, wire.Claimed, wait=20)).job
    assert found is not None
    return found


def sealed_log(root: Path, run: str, lines: int = 100) -> bytes:
    """A whole sealed log of that attempt."""
    files = LogFiles(root / "made")
    writer = files.create(run, Secret(bytes(32)))
    for number in range(lines):
        writer.write(b"line %d\n" % number)
        writer.flush()
    writer.close()
    return (root / "made" / f"{run}.log").read_bytes()


# Joining


async def test_a_worker_joins_and_says_what_it_is(site: WorkerSite) -> None:
    row, identity = await site.joined()
    async with Website(site.url, identity.tls()) as website:
        hello = wire.Hello(version="1.2", machines=3, labels=("arm64",))
        assert (await website.say("hello", hello, wire.Welcome)).name == "builder"
    found = await site.workers.named("builder")
    assert found is not None
    assert (found.id, found.machines, found.labels, found.version) == (row.id, 3, ("arm64",), "1.2")


async def test_a_token_works_once(site: WorkerSite, tmp_path: Path) -> None:
    _, token = await site.add_worker()
    await join(site.url, JoinToken.parse(token), Identity(tmp_path / "one"))
    with pytest.raises(NotTaken, match="does not work"):
        await join(site.url, JoinToken.parse(token), Identity(tmp_path / "two"))
    assert not Identity(tmp_path / "two").joined


async def test_the_token_of_a_worker_that_was_removed_lets_nobody_in(
    site: WorkerSite, tmp_path: Path
) -> None:
    row, token = await site.add_worker()
    assert await site.workers.revoke(row.id)
    with pytest.raises(NotTaken, match="This worker was removed"):
        await join(site.url, JoinToken.parse(token), Identity(tmp_path / "one"))
    assert not Identity(tmp_path / "one").joined


async def test_a_token_is_not_shown_to_a_website_that_is_not_its_own(
    site: WorkerSite, tmp_path: Path
) -> None:
    _, token = await site.add_worker()
    value = token.partition(".")[0]
    with pytest.raises(NotTheWebsite):
        await join(site.url, JoinToken.parse(f"{value}.{'0' * 64}"), Identity(tmp_path / "one"))
    await join(site.url, JoinToken.parse(token), Identity(tmp_path / "one"))


async def test_a_worker_that_joins_again_is_known_by_the_new_certificate_alone(site: WorkerSite) -> None:
    row, identity = await site.joined()
    old = identity.tls()
    token = (await site.joining.invite("builder")).reveal().decode()
    await join(site.url, JoinToken.parse(token), identity)
    async with Website(site.url, old) as before, Website(site.url, identity.tls()) as now:
        with pytest.raises(NotKnown):
            await before.say("drain", None, wire.Done)
        await now.say("drain", None, wire.Done)
    assert (await site.workers.named("builder")) is not None
    assert row.name == "builder"


async def test_a_certificate_is_renewed_while_the_worker_goes_on(site: WorkerSite, made: Bench) -> None:
    _, identity = await site.joined()
    before, old = identity.pair.read_bytes(), identity.tls()
    async with Website(site.url, identity.tls()) as website:
        worker = Worker(
            website, identity, Builder(made, FakeMachines(made.root)).ports(), Offer("1", 1), print
        )
        await worker.renew()
        await website.say("drain", None, wire.Done)
        assert identity.pair.read_bytes() != before
        assert not identity.next.exists()
    async with Website(site.url, old) as late:
        with pytest.raises(NotKnown):
            await late.say("drain", None, wire.Done)


async def test_a_worker_whose_renewal_was_cut_off_finds_out_which_certificate_is_known(
    site: WorkerSite, made: Bench
) -> None:
    _, identity = await site.joined()
    key, request = new_pair()
    async with Website(site.url, identity.tls()) as website:
        asked = wire.Renew(request=request.decode())
        certified = await website.say("renew", asked, wire.Certified)
        identity.keep_next(key, certified.certificate.encode())
        await website.say("adopt", None, wire.Done)  # and the answer is lost
    builder = Builder(made, FakeMachines(made.root))
    async with builder.working(site.url, identity):
        async with asyncio.timeout(60):
            while not builder.said:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert builder.said[0].startswith("ready: builder")
    assert not identity.next.exists()


# Who may speak


@pytest.mark.parametrize(
    "path",
    ["renew", "adopt", "hello", "claim", "drain", f"builds/{'a' * 32}/1/beat", f"builds/{'a' * 32}/1/log"],
)
async def test_without_a_certificate_there_is_joining_and_nothing_else(site: WorkerSite, path: str) -> None:
    async with Website(site.url, trusting(site.authority.certificate())) as nobody:
        with pytest.raises(NotKnown):
            await nobody.send(path, b"{}", query={"offset": 0})


async def test_a_certificate_of_ours_that_is_no_workers_opens_nothing(
    site: WorkerSite, tmp_path: Path
) -> None:
    """Such as one whose worker was never added, or has another by now."""
    key, request = new_pair()
    stray = Identity(tmp_path / "stray")
    certificate = site.authority.worker_certificate(request, "builder")
    stray.keep(site.authority.certificate().read_bytes(), key, certificate)
    async with Website(site.url, stray.tls()) as website:
        with pytest.raises(NotKnown):
            await website.say("claim", None, wire.Claimed)


async def test_a_certificate_of_another_authority_ends_the_handshake(
    site: WorkerSite, tmp_path: Path
) -> None:
    from sealock.access.authority import Authority

    other = Authority(tmp_path / "other", ["localhost"])
    key, request = new_pair()
    stray = Identity(tmp_path / "stray")
    stray.keep(site.authority.certificate().read_bytes(), key, other.worker_certificate(request, "builder"))
    async with Website(site.url, stray.tls()) as website:
        with pytest.raises((NotKnown, WebsiteAway)):
            await website.say("claim", None, wire.Claimed)


async def test_the_certificate_of_the_website_itself_is_no_workers(site: WorkerSite) -> None:
    context = trusting(site.authority.certificate())
    context.load_cert_chain(site.authority.website_certificate().chain)
    async with Website(site.url, context) as website:
        with pytest.raises((NotKnown, WebsiteAway)):
            await website.say("claim", None, wire.Claimed)


async def test_a_removed_worker_is_not_heard_any_more(
    site: WorkerSite, website: Website, job: wire.Job
) -> None:
    row = await site.workers.named("builder")
    assert row is not None
    await site.workers.revoke(row.id)
    link = JobLink(website, job)
    with pytest.raises(NotKnown):  # on the very connection it had before
        await link.log(0, b"x")
    with pytest.raises(NotKnown):
        await link.beat(0)


async def test_another_website_is_told_nothing(site: WorkerSite, tmp_path: Path) -> None:
    from sealock.access.authority import Authority

    _, identity = await site.joined()
    other = Authority(tmp_path / "other", ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(other.website_certificate().chain)
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    async with (
        server,
        Website(f"https://localhost:{server.sockets[0].getsockname()[1]}", identity.tls()) as to,
    ):
        with pytest.raises(NotTheWebsite):
            await to.say("claim", None, wire.Claimed)
    assert heard == b""


# What may be said of a build


def _log_key(site: WorkerSite, project: Project, run: str) -> Sealed:
    return site.keeper.seal(SealedName(LOCAL_ACCOUNT, project.id, Kind.LOG_KEY, run, 1), bytes(32))


async def test_nobody_speaks_of_a_build_that_another_has(site: WorkerSite, job: wire.Job) -> None:
    project = job.project
    _, identity = await site.joined("other")
    async with Website(site.url, identity.tls()) as website:
        link = JobLink(website, job)
        assert await link.beat(0) is Beat.LOST
        for say in (
            link.log(0, b"x"),
            link.carry(b"{}"),
            link.fail("no", temporary=True),
            link.pinned(),
            link.sealed(Kind.VARIABLE, "TOKEN", None),
            link.progress(Progress(message="what another made up")),
            link.keep_log_key(_log_key(site, project, job.run)),
            link.end(Outcome.RED, "no", None),
        ):
            with pytest.raises(Lost):
                await say
        assert await link.begin_deployment() is Beat.LOST
    build = await site.build(job.build)
    assert (build.attempt, build.outcome, build.message) == (1, None, "")
    assert not (site.root / "logs" / f"{job.run}.log").exists()
    assert site.values.get(Owner(LOCAL_ACCOUNT, project.id), Kind.LOG_KEY, job.run) is None


async def test_a_build_is_given_no_key_and_keeps_no_key_but_its_own(
    site: WorkerSite, website: Website, job: wire.Job
) -> None:
    """Sealed as they lie there: even so, nobody but a page's reader is given a log's key."""
    link, other = JobLink(website, job), "c" * 32
    with pytest.raises(NotTaken, match="not the key of this build's log"):
        await link.keep_log_key(_log_key(site, job.project, other))
    site.values.put(_log_key(site, job.project, other))
    for kind, name in ((Kind.LOG_KEY, other), (Kind.SSH_KEY, "sample")):
        with pytest.raises(NotTaken, match="is given no"):
            await link.sealed(kind, name, None)


async def test_an_attempt_of_the_past_is_not_heard(site: WorkerSite, website: Website, job: wire.Job) -> None:
    await JobLink(website, job).fail("the host went away", temporary=True)
    again = await claimed(website)
    assert (again.build, again.attempt, again.run) == (job.build, 2, run_id(job.build, 2))
    old = JobLink(website, job)
    assert await old.beat(0) is Beat.LOST
    with pytest.raises(Lost):
        await old.end(Outcome.GREEN, "", None)
    with pytest.raises(Lost):
        await old.carry(b"{}")
    assert await JobLink(website, again).beat(0) is Beat.OK


async def test_a_claim_waits_for_a_build_and_a_beat_for_a_cancel(
    site: WorkerSite, website: Website, made: Bench
) -> None:
    project = await site.add_project(made)
    claiming = asyncio.create_task(claimed(website))
    await asyncio.sleep(0.3)
    build = await site.push(project, "ab" * 20)
    job = await asyncio.wait_for(claiming, 4)
    assert job.build == build
    beating = asyncio.create_task(JobLink(website, job).beat(20))
    await asyncio.sleep(0.3)
    assert not beating.done()
    await site.queue.cancel(build, "changed my mind")
    assert await asyncio.wait_for(beating, 4) is Beat.CANCEL


async def test_what_is_said_is_held_to_its_form(website: Website, job: wire.Job) -> None:
    at = f"builds/{job.build}/{job.attempt}"
    for path, content in (
        (f"{at}/beat", b'{"wait": 1.0, "worker": "other"}'),
        (f"{at}/beat", b'{"wait": 9999.0}'),
        (f"{at}/beat", b"\xff"),
        (f"{at}/end", b'{"outcome": "green"}'),
        ("hello", b'{"version": "1", "machines": 65, "labels": []}'),
        ("hello", b'{"version": "1", "machines": 1, "labels": ["A B"]}'),
        ("hello", b"x" * (wire.LONGEST_SMALL + 1)),
    ):
        with pytest.raises(NotTaken):
            await website.send(path, content)


# The log


async def test_a_log_arrives_as_it_is_written(
    site: WorkerSite, website: Website, job: wire.Job, tmp_path: Path
) -> None:
    content, link = sealed_log(tmp_path, job.run), JobLink(website, job)
    assert await link.log(0, content[:1000]) == 1000
    assert await link.log(0, b"") == 1000
    assert await link.log(1000, content[1000:]) == len(content)
    assert (tmp_path / "logs" / f"{job.run}.log").read_bytes() == content


async def test_a_gap_and_a_repetition_change_nothing(
    site: WorkerSite, website: Website, job: wire.Job, tmp_path: Path
) -> None:
    content, link = sealed_log(tmp_path, job.run), JobLink(website, job)
    await link.log(0, content[:1000])
    assert await link.log(1500, content[1500:]) == 1000
    assert await link.log(500, content[500:1000]) == 1000
    assert (tmp_path / "logs" / f"{job.run}.log").read_bytes() == content[:1000]


async def test_a_log_of_another_attempt_or_of_too_much_is_not_taken(
    site: WorkerSite, website: Website, job: wire.Job, tmp_path: Path
) -> None:
    link, place = JobLink(website, job), tmp_path / "logs" / f"{job.run}.log"
    with pytest.raises(NotTaken):
        await link.log(0, sealed_log(tmp_path, "c" * 32))
    content = sealed_log(tmp_path, job.run)
    await link.log(0, content)
    with pytest.raises(NotTaken):
        await link.log(len(content), bytes(wire.LONGEST_PIECE + 1))
    with pytest.raises(NotTaken):  # longer in all than there may be
        await link.log(len(content), bytes((1 << 20) - len(content) + 1))
    assert place.read_bytes() == content


async def test_no_byte_is_lost_or_doubled_when_the_website_restarts(
    site: WorkerSite, website: Website, job: wire.Job, tmp_path: Path
) -> None:
    files = LogFiles(tmp_path / "made")
    writer = files.create(job.run, Secret(bytes(32)))
    upload = Upload(tmp_path / "made" / f"{job.run}.log", JobLink(website, job).log)
    for number in range(40):
        writer.write(b"line %d\n" % number)
        writer.flush()
        if number in {10, 25}:
            await site.stop()
        if number in {13, 28}:
            await site.start()
        await asyncio.sleep(0.05)
    writer.close()
    await asyncio.wait_for(upload.finish(), 60)
    sent = (tmp_path / "logs" / f"{job.run}.log").read_bytes()
    assert sent == (tmp_path / "made" / f"{job.run}.log").read_bytes()


async def test_a_log_that_cannot_be_sent_ends_the_upload(
    website: Website, job: wire.Job, tmp_path: Path
) -> None:
    writer = LogFiles(tmp_path / "made").create("c" * 32, Secret(bytes(32)))
    upload = Upload(tmp_path / "made" / f"{'c' * 32}.log", JobLink(website, job).log)
    writer.close()
    with pytest.raises(PermanentError):
        await asyncio.wait_for(upload.finish(), 60)


def test_what_is_no_token() -> None:
    for text in (
        "",
        "slj_",
        "slk_x." + "0" * 64,
        "slj_x",
        "slj_x.12",
        "slj_." + "0" * 64,
        "slj_x." + "g" * 64,
    ):
        with pytest.raises(UsageError):
            JoinToken.parse(text)
