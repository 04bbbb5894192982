"""Whatever is asked in whatever order, with crashes, a full disk and time passing: every release has exactly
one earlier entry in the ledger, and what is released once is released once."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sealock.core.errors import PermanentError
from sealock.core.release import Entry, Fact, Released
from sealock.core.sealed import Sealed
from sealock.keeper import protocol
from tests.support.keeper import CONFIG, EVERYTHING, SSH_KEY, TOKEN, KeeperFixture, terms

BUILDS = st.sampled_from(["b1", "b2"])
ATTEMPTS = st.integers(1, 3)
STEPS = st.sampled_from(["", "setup", "test:unit", "deploy:live", "none"])


class Releases(RuleBasedStateMachine):
    """A keeper, and everybody who asks it."""

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        self.keeper = KeeperFixture(Path(self.place.name))
        names = (SSH_KEY, TOKEN, CONFIG)
        self.things = [self.keeper.seal(name) for name in names]
        self.leases: list[str] = []
        self.handed: list[protocol.HandedValue] = []
        self.fails = False

    @rule(build=BUILDS, attempt=ATTEMPTS)
    def lease(self, build: str, attempt: int) -> None:
        request = self.keeper.asking(terms(build, attempt))
        reply = self.keeper.desk.answer(EVERYTHING, request)
        if isinstance(reply, protocol.Issued):
            assert not self.fails
            self.leases.append(reply.lease)

    @rule(which=st.integers(0, 20), thing=st.integers(0, 2), step=STEPS)
    def ask(self, which: int, thing: int, step: str) -> None:
        if not self.leases:
            return
        sealed: Sealed = self.things[thing]
        reply = self.keeper.open(self.leases[which % len(self.leases)], sealed, step)
        if isinstance(reply, protocol.Handed):
            assert not self.fails
            # Written before it left: it is there already.
            assert self.releases()[-1].digest == reply.values[0].digest
            assert self.releases()[-1].sequence == reply.values[0].entry
            self.handed.append(reply.values[0])

    @rule(which=st.integers(0, 20))
    def give_back(self, which: int) -> None:
        if self.leases:
            self.keeper.desk.answer(EVERYTHING, protocol.End(lease=self.leases[which % len(self.leases)]))

    @rule(seconds=st.sampled_from([1.0, 1800.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self.keeper.clock.pass_by(seconds)

    @rule(seconds=st.sampled_from([10.0, 10_000.0]))
    def the_clock_is_set_back(self, seconds: float) -> None:
        self.keeper.clock.wall -= seconds

    @rule()
    def it_crashes(self) -> None:
        """Without a last word."""
        self.keeper.ledger.close()
        self.keeper.start()
        self.fails = False

    @rule(torn=st.binary(min_size=1, max_size=50).filter(lambda data: b"\n" not in data))
    def it_crashes_in_a_write(self, torn: bytes) -> None:
        self.keeper.ledger.close()
        with self.keeper.ledger.path.open("ab") as file:
            file.write(torn)
        self.keeper.start()
        self.fails = False

    @rule(fails=st.booleans())
    def the_disk_fills(self, fails: bool) -> None:
        def full(told: Sequence[Fact], at: float) -> list[Entry]:
            raise PermanentError("no room")

        self.fails = fails
        if fails:
            self.keeper.ledger.append = full  # type: ignore[method-assign]  # what a full disk does
        else:
            self.keeper.ledger.__dict__.pop("append", None)

    @invariant()
    def every_release_has_one_entry(self) -> None:
        if not hasattr(self, "keeper"):
            return
        assert [(reply.entry, reply.digest) for reply in self.handed] == [
            (entry.sequence, entry.digest) for entry in self.releases()
        ]

    @invariant()
    def the_fetchs_key_is_released_once_for_an_attempt(self) -> None:
        if not hasattr(self, "keeper"):
            return
        fetched = [
            e.fact for e in self.releases() if isinstance(e.fact, Released) and e.fact.kind == "ssh-key"
        ]
        assert all(count == 1 for count in Counter((f.build, f.attempt) for f in fetched).values())

    def releases(self) -> list[Entry]:
        return [entry for entry in self.keeper.ledger.entries() if isinstance(entry.fact, Released)]

    def teardown(self) -> None:
        if hasattr(self, "keeper"):
            self.keeper.ledger.close()
            self.place.cleanup()


TestReleases = Releases.TestCase
TestReleases.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
