"""Who answers the questions of vl2 eval run, and who judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vl2.core.errors import VL2Error

if TYPE_CHECKING:
    from vl2.evaluation.answerers.answerer import Answerer
    from vl2.evaluation.answerers.endpoint import Endpoint


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Who answers."""

    model: str
    adapter: str | None
    dtype: str | None
    device: str | None
    max_running: int
    endpoint: str | None
    api_model: str | None
    workers: int
    replay: Path | None
    echo: bool


def open_answerer(choice: Choice) -> Answerer:
    """Return who answers. Raises VL2Error."""
    given = [name for name in ("endpoint", "replay", "echo") if getattr(choice, name)]
    if len(given) > 1:
        raise VL2Error(" and ".join(f"--{name}" for name in given), "both answer", do="Give one of them.")
    if choice.echo:
        from vl2.evaluation.answerers.echo import EchoAnswerer

        return EchoAnswerer()
    if choice.replay is not None:
        from vl2.evaluation.answerers.replay import ReplayAnswerer

        return ReplayAnswerer(choice.replay)
    if choice.endpoint is not None:
        from vl2.evaluation.answerers.endpoint import Endpoint
        from vl2.evaluation.answerers.openai import OpenAIAnswerer

        endpoint = Endpoint(choice.endpoint, choice.api_model or choice.model)
        endpoint.check()
        return OpenAIAnswerer(endpoint, workers=choice.workers)
    return open_engine(choice)


def open_engine(choice: Choice) -> Answerer:
    """Load a model. Raises VL2Error."""
    from vl2.cli.models import count_activated
    from vl2.engine import assistant
    from vl2.evaluation.answerers.engine import EngineAnswerer, identity_of
    from vl2.weights import find_checkpoint

    folder = find_checkpoint(choice.model)
    loaded = assistant.load(folder, device=choice.device, dtype=choice.dtype, adapter=choice.adapter)
    folders = [folder, *([Path(choice.adapter)] if choice.adapter else [])]
    name = Path(choice.model).name if Path(choice.model).is_dir() else choice.model
    count = count_activated(loaded.model.config)
    identity = identity_of(loaded, name, *folders, activated_parameters=count)
    return EngineAnswerer(loaded, identity, max_running=choice.max_running)


def open_judge(address: str | None, model: str) -> Endpoint | None:
    """Return the judge, None when there is none. Raises VL2Error when it does not answer."""
    if address is None:
        return None
    from vl2.evaluation.answerers.endpoint import Endpoint

    endpoint = Endpoint(address, model)
    endpoint.check()
    return endpoint
