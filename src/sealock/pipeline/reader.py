"""The port `core.plan.PlanReader`: a file's bytes in, a plan out."""

from __future__ import annotations

from collections.abc import Sequence

from sealock.core.errors import UsageError
from sealock.core.plan import Plan
from sealock.pipeline.configuration import EXAMPLE, read
from sealock.pipeline.plan import plan
from sealock.pipeline.problem import shown


def read_plan(
    text: bytes | None,
    *,
    file: str = "sealock.yml",
    pipelines: Sequence[str] = (),
    image: str | None = None,
    default_image: str | None = None,
) -> Plan:
    """See `core.plan.PlanReader`. text None: there is no such file. default_image: the installation's,
    for a file that names none."""
    if text is None:
        raise UsageError(
            f"there is no {shown(file)} in the repository",
            resolution=f"Add one that says how the code is tested. A small example:\n{EXAMPLE}",
        )
    return plan(read(text, file), pipelines, image, default_image)
