"""What can be between a worker and its website.

WebsiteAway       it did not answer: the same may be asked again
NotTheWebsite     something else is there; nothing was told to it
NotKnown          it does not know us, or no longer
NotTaken          it will not take what was said
Lost              the build is not ours any more: nothing of it is uploaded or signed
"""

from __future__ import annotations

from sealock.core.errors import PermanentError, TemporaryError


class WebsiteAway(TemporaryError):
    """It did not answer, or not now. unasked: it is known that nothing has reached it."""

    def __init__(self, why: str, *, unasked: bool = False) -> None:
        self.unasked = unasked
        super().__init__(
            "the website does not answer",
            details=why,
            resolution="See that `sealock web` runs, and that its port for workers (worker_listen) can be "
            "reached from here.",
        )


class NotTheWebsite(PermanentError):
    """What listens there is not certified by the authority we joined."""

    def __init__(self, server: str, why: str) -> None:
        super().__init__(
            f"what listens at {server} is not the website of this worker",
            details=why,
            resolution="Nothing was told to it. Check the address; if the website has a new authority, have "
            "this worker join anew with a new token.",
        )


class NotKnown(PermanentError):
    """Our certificate is no worker's, or no longer."""

    def __init__(self, why: str = "") -> None:
        super().__init__(
            "the website does not know this worker",
            details=why or "It was removed, or its certificate has run out.",
            resolution="Have it join anew, with a token that `sealock workers invite NAME` prints or, if it "
            "was removed, `sealock workers add NAME`.",
        )


class NotTaken(PermanentError):
    """What was said cannot be so."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "the website did not take what this worker said",
            details=why,
            resolution="See that website and worker have the same version of Sealock.",
        )


class Lost(PermanentError):
    """Another has the build by now, or nobody."""

    def __init__(self) -> None:
        super().__init__(
            "the build is not this worker's any more",
            details="It was put back, because this worker could not be reached or was removed.",
            resolution="Nothing has to be done: it is tried again where that is allowed.",
        )
