"""What a configuration means for one build: which pipelines run, on what kind of machine."""

from __future__ import annotations

from collections.abc import Sequence

from sealock.core.errors import UsageError
from sealock.core.plan import Plan, Step, Timeouts
from sealock.pipeline.configuration import Configuration, Pipeline
from sealock.pipeline.fields import is_image
from sealock.pipeline.problem import near_match, shown


def plan(
    configuration: Configuration,
    pipelines: Sequence[str] = (),
    image: str | None = None,
    default_image: str | None = None,
) -> Plan:
    """The plan of one build.

    pipelines: those to run, in this order; none named means all, in the file's order. image: instead of
    the configuration's. default_image: where neither names one. UsageError if a pipeline is not there
    or the image's name cannot be one.
    """
    machine = configuration.machine
    return Plan(
        image=_image(image or _configured_image(configuration, default_image)),
        steps=_steps(configuration, _chosen(configuration, pipelines)),
        environment=dict(configuration.environment),
        timeouts=Timeouts(silence=configuration.timeouts.silence, total=configuration.timeouts.total),
        memory_mib=machine.memory,
        cpus=machine.cpus,
        disk_mib=machine.disk_mib,
        network=configuration.network,
        depth=configuration.checkout.depth,
        submodules=configuration.checkout.submodules,
    )


def _steps(configuration: Configuration, names: Sequence[str]) -> tuple[Step, ...]:
    setup = (Step("setup", "setup", configuration.setup),) if configuration.setup else ()
    return setup + tuple(_test(name, configuration.test[name]) for name in names)


def _test(name: str, pipeline: Pipeline) -> Step:
    return Step("test", name, pipeline.commands, pipeline.secrets)


def _chosen(configuration: Configuration, pipelines: Sequence[str]) -> Sequence[str]:
    available = list(configuration.test)
    for name in pipelines:
        if name not in available:
            raise UsageError(
                f"there is no pipeline `{shown(name)}`{near_match(name, available)}",
                details=f"The pipelines are {', '.join(available)}.",
                resolution="Name one of them, or none to run all.",
            )
    return list(dict.fromkeys(pipelines)) or available


def _configured_image(configuration: Configuration, default: str | None) -> str:
    if default is not None and "image" not in configuration.model_fields_set:
        return default
    return configuration.image


def _image(name: str) -> str:
    if not is_image(name):
        raise UsageError(
            f"`{shown(name)}` cannot be an image's name or digest",
            resolution="`sealock image list` shows the images of this host.",
        )
    return name
