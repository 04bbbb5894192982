"""Puts the website together: its doors, and what stands before them.

It is given all it can do (`ports.py`). Each door says itself whom it is for; a test lists those that are for
anybody.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from sealock.web import authority, badges, hooks, people
from sealock.web.api import routes as api
from sealock.web.origin import Origin
from sealock.web.pages import routes as pages
from sealock.web.pages.error_pages import show_errors
from sealock.web.ports import WebPorts
from sealock.web.problems import tell_problems
from sealock.web.security import BODY_SECONDS, LONGEST_BODY, Guard

NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""The framework could send what it sees of each request elsewhere, by a variable of the environment."""


def make_app(
    ports: WebPorts,
    origin: Origin,
    *,
    longest_body: int = LONGEST_BODY,
    body_seconds: float = BODY_SECONDS,
) -> Guard:
    """The application, for `tls.Website`. The bounds are of every request's body, bytes and seconds."""
    inner = unguarded_app(ports)
    return Guard(inner, origin, ports.rates, longest_body=longest_body, body_seconds=body_seconds)


def unguarded_app(ports: WebPorts) -> FastAPI:
    """The doors alone. Only for looking at its routes: it is not to be served."""
    # The framework's own pages about the API load programs from elsewhere.
    app = FastAPI(
        title="Sealock",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=NO_TELEMETRY,
        redirect_slashes=False,
    )
    app.state.ports = ports
    tell_problems(app)
    app.include_router(hooks.router)
    app.include_router(people.router)
    app.include_router(authority.router)
    if ports.service is not None:
        app.include_router(badges.router)
        app.include_router(api.router)
        app.include_router(pages.router)
        show_errors(app)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """For load balancers: the website answers."""
        return {"status": "ok"}

    return app
