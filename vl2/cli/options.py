"""The options that every verb of a loaded model takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_type_hints

import typer

from vl2.cli.guard import Debug


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Which model answers, how, and in which form."""

    model: Annotated[str, typer.Option(help="pocket, tiny, small, base, a folder or a hub name.")] = "pocket"
    adapter: Annotated[str | None, typer.Option(help="A fine-tuned adapter's folder, in PEFT's format.")] = None
    max_new_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.")] = 512
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token; higher varies more.")] = 0.0
    top_p: Annotated[float, typer.Option(help="Sample from the likeliest tokens of this probability.")] = 1.0
    seed: Annotated[int | None, typer.Option(help="Make sampling repeatable.")] = None
    max_tiles: Annotated[int | None, typer.Option(help="Most local tiles an image is cut into.")] = None
    image_tokens: Annotated[int | None, typer.Option(help="Most visual tokens of all images together.")] = None
    kept_share: Annotated[float, typer.Option(help="Prune local tiles to this share; not for reading or boxes.")] = 1.0
    max_context: Annotated[int | None, typer.Option(help="Most tokens of prompt and answer.")] = None
    rope_scaling: Annotated[
        Literal["yarn", "linear"] | None, typer.Option(help="Stretch positions, beyond the trained context.")
    ] = None
    draft_tokens: Annotated[int, typer.Option(min=0, help="Guess so many ahead; the answer stays.")] = 0
    cache_dtype: Annotated[Literal["int8"] | None, typer.Option(help="Remember tokens in half the memory.")] = None
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16; as stored unless given.")] = None
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps; a CUDA device if there is one.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False
    debug: Debug = False

    def settings(self) -> dict[str, Any]:
        """Return the settings of one request."""
        names = ("max_new_tokens", "temperature", "top_p", "seed")
        return {name: getattr(self, name) for name in names} | self.budget()

    def budget(self) -> dict[str, Any]:
        """Return what the images of one request may cost; `max_tiles` holds for the whole run."""
        return {"image_tokens": self.image_tokens, "kept_share": self.kept_share}


def with_run_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of RunOptions; it receives them as `run`."""
    hints = get_type_hints(RunOptions, include_extras=True)
    own = [item for item in inspect.signature(verb, eval_str=True).parameters.values() if item.name != "run"]
    common = [
        inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default, annotation=hints[item.name])
        for item in fields(RunOptions)
    ]

    def command(**values: Any) -> None:
        run = RunOptions(**{field.name: values.pop(field.name) for field in fields(RunOptions)})
        verb(**values, run=run)

    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    command.__annotations__ = {item.name: item.annotation for item in (*own, *common)}
    command.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
    return command
