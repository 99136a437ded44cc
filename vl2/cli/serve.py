"""vl2 serve: an OpenAI-compatible server, and a page to talk to the model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vl2.cli.guard import Debug
from vl2.core.errors import VL2Error

if TYPE_CHECKING:
    from vl2.serve.settings import ServeSettings

KEY_VARIABLE, UPSTREAM_KEY_VARIABLE = "VL2_API_KEY", "VL2_UPSTREAM_KEY"
MOST_KEY_BYTES = 1 << 20


def serve(
    model: Annotated[str, typer.Argument(help="pocket, tiny, small, base, a folder or a hub name.")] = "pocket",
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless given.")] = None,
    port: Annotated[int | None, typer.Option(help="8000 unless given.")] = None,
    api_key: Annotated[
        list[str] | None, typer.Option(help=f"A key that opens the door; better in {KEY_VARIABLE}.")
    ] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="Keys, one a line.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen to other machines without a key.")] = False,
    adapter: Annotated[str | None, typer.Option(help="A fine-tuned adapter's folder, in PEFT's format.")] = None,
    quantize: Annotated[Literal["8", "4"] | None, typer.Option(help="Quantise to so many bits first.")] = None,
    max_model_len: Annotated[int | None, typer.Option(help="Most tokens of prompt and answer.")] = None,
    rope_scaling: Annotated[
        Literal["yarn", "linear"] | None, typer.Option(help="Stretch positions, beyond the trained context.")
    ] = None,
    max_image_mb: Annotated[float | None, typer.Option(help="Largest image, encoded.")] = None,
    max_running: Annotated[int | None, typer.Option(help="Answers that are computed side by side.")] = None,
    max_waiting: Annotated[int | None, typer.Option(help="Requests beyond those.")] = None,
    requests_per_minute: Annotated[float | None, typer.Option(help="Of one key.")] = None,
    image_host: Annotated[list[str] | None, typer.Option(help="A host that images are fetched from.")] = None,
    media_root: Annotated[Path | None, typer.Option(help="Folder of file:// images.")] = None,
    images_first: Annotated[bool, typer.Option("--images-first", help="Images before the text of a turn.")] = False,
    ignore_tools: Annotated[bool, typer.Option("--ignore-tools", help="Take offered tools, and call none.")] = False,
    cors_origin: Annotated[list[str] | None, typer.Option(help="A web origin that may ask.")] = None,
    engine: Annotated[Literal["vl2", "vllm"], typer.Option(help="Who computes; vllm is started, on a GPU.")] = "vl2",
    tensor_parallel_size: Annotated[int, typer.Option(min=1, help="vLLM: GPUs that share each layer.")] = 1,
    pipeline_parallel_size: Annotated[int, typer.Option(min=1, help="vLLM: groups of layers.")] = 1,
    vllm_arg: Annotated[list[str] | None, typer.Option(help="vLLM: an argument of its own, --name=value.")] = None,
    upstream: Annotated[str | None, typer.Option(help="A server that computes: http://HOST/v1.")] = None,
    upstream_model: Annotated[str | None, typer.Option(help="Its name for the model; MODEL unless given.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with any of the settings by name.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16; as stored unless given.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps; a CUDA device if there is one.")] = None,
    draft_tokens: Annotated[int, typer.Option(min=0, help="Guess so many ahead; the answer stays.")] = 0,
    cache_dtype: Annotated[Literal["int8"] | None, typer.Option(help="Remember tokens in half the memory.")] = None,
    debug: Debug = False,
) -> None:
    """Serve a model: OpenAI's API at /v1, a page at /. SIGTERM lets what is under way end."""
    given = {
        "host": host, "port": port, "insecure": insecure or None,
        "images_first": images_first or None, "ignore_tools": ignore_tools or None,
        "max_image_mb": max_image_mb, "max_running": max_running, "max_waiting": max_waiting,
        "requests_per_minute": requests_per_minute, "media_root": media_root,
        "image_hosts": tuple(image_host) if image_host else None,
        "cors_origins": tuple(cors_origin) if cors_origin else None,
        "api_keys": read_keys(api_key or [], api_key_file) or None,
    }  # fmt: skip
    vllms = {
        "tensor_parallel_size": tensor_parallel_size, "pipeline_parallel_size": pipeline_parallel_size,
        "vllm_arg": tuple(vllm_arg or ()),
    }  # fmt: skip
    ours = {
        "adapter": adapter, "quantize": quantize, "rope_scaling": rope_scaling, "device": device,
        "cache_dtype": cache_dtype,
    }  # fmt: skip
    check_engine(engine, upstream, ours | {"draft_tokens": draft_tokens or None}, vllms)
    settings = read_settings(config, {name: value for name, value in given.items() if value is not None})

    try:
        from vl2.serve.run import check_free, serve
    except ImportError as error:
        raise VL2Error("serve", "needs more packages", got=error.name, do="pip install 'vl2[serve]'") from None

    check_free(settings)
    name = Path(model).name if Path(model).is_dir() else model
    if upstream is not None:
        front_upstream(model, name, settings, upstream, upstream_model or name, max_model_len)
        return
    if engine == "vllm":
        start_vllm(model, name, settings, max_model_len=max_model_len, dtype=dtype, **vllms)
        return
    from vl2.engine import assistant

    folder = model if quantize is None else quantized(model, int(quantize))
    loaded = assistant.load(
        folder, device=device, dtype=dtype, max_context=max_model_len, rope_scaling=rope_scaling,
        num_draft_tokens=draft_tokens, cache_dtype=cache_dtype, adapter=adapter,
    )  # fmt: skip
    show_addresses(settings, name)
    serve(loaded, settings, name)


def front_upstream(
    model: str, name: str, settings: ServeSettings, address: str, name_there: str, max_context: int | None
) -> None:
    """Serve what a server at an address computes."""
    from vl2.serve.run import front
    from vl2.serve.upstream import Behind
    from vl2.weights import find_checkpoint

    key = os.environ.get(UPSTREAM_KEY_VARIABLE, "")
    behind = Behind(address=check_address(address), model=name_there, key=key)
    folder = find_checkpoint(model)
    show_addresses(settings, name)
    front(folder, settings, name, behind, max_context=max_context)


def start_vllm(model: str, name: str, settings: ServeSettings, **more: Any) -> None:
    """Start vLLM and serve what it computes."""
    from vl2.serve.run import front_vllm
    from vl2.serve.vllm import VLLMOptions, find_vllm
    from vl2.weights import find_checkpoint

    find_vllm()  # before a model is fetched for nothing
    options = VLLMOptions(
        folder=find_checkpoint(model), name=name, max_images=settings.max_images, max_running=settings.max_running,
        **more,
    )  # fmt: skip
    front_vllm(options, settings, lambda: show_addresses(settings, name))


def check_engine(engine: str, upstream: str | None, ours: dict[str, Any], vllms: dict[str, Any]) -> None:
    """Raise VL2Error for settings of an engine that does not compute."""
    if engine == "vllm" and upstream is not None:
        raise VL2Error("upstream", "computes already", do="Leave out --engine vllm.")
    if engine == "vllm" or upstream is not None:
        for name, value in ours.items():
            if value is not None:
                raise VL2Error(name, "is for our own engine", got=value, do="Give it to the one that computes instead.")
    if engine != "vllm":
        for name, value in vllms.items():
            if value not in (1, ()):
                raise VL2Error(name, "is for vLLM", got=value, do="Add --engine vllm.")


def check_address(address: str) -> str:
    """Return the address of an upstream server. Raises VL2Error."""
    if not address.startswith(("http://", "https://")):
        raise VL2Error("upstream", "not an address", got=address[:100], expected="http://HOST:PORT/v1")
    return address


def read_settings(config: Path | None, given: dict[str, Any]) -> ServeSettings:
    """Join a settings file and options, which win. Raises ConfigError."""
    from vl2.core.settings import build, load_yaml
    from vl2.serve.settings import ServeSettings

    values = load_yaml(config) if config is not None else {}
    return build(ServeSettings, {**values, **given}, thing="serve")


def read_keys(keys: list[str], file: Path | None) -> tuple[str, ...]:
    """Return all keys: given ones, of the environment, of a file."""
    found = [*keys, os.environ.get(KEY_VARIABLE, "")]
    if file is not None:
        try:
            if file.stat().st_size > MOST_KEY_BYTES:
                raise VL2Error(str(file), "too large for a file of keys")
            found += [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
        except (OSError, UnicodeDecodeError) as error:
            raise VL2Error(str(file), "cannot be read", got=type(error).__name__, do="Check the path.") from None
        if not any(found):
            raise VL2Error(str(file), "holds no key", expected="one a line")
    return tuple(dict.fromkeys(key for key in found if key))


def quantized(model: str, bits: int) -> Path:
    """Return the model in fewer bits, quantised once and kept beside the compiled kernels."""
    import hashlib

    from vl2.kernels.native.compiler import cache_folder
    from vl2.model.config import QuantizationConfig
    from vl2.weights import find_checkpoint
    from vl2.weights.quantize import quantize_checkpoint

    source = find_checkpoint(model).resolve()
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(source.iterdir())]
    key = hashlib.blake2b(repr((str(source), files)).encode(), digest_size=8).hexdigest()
    target = cache_folder().parent / "quantized" / f"{key}-int{bits}"
    if not (target / "config.json").is_file():
        typer.echo(f"Quantising {model} to {bits} bits, once.", err=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        quantize_checkpoint(source, target, QuantizationConfig(bits=bits))  # type: ignore[arg-type]
    return target


def show_addresses(settings: ServeSettings, model: str) -> None:
    """Say where the server is and how to ask it."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    place = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    key = " -H 'Authorization: Bearer KEY'" if settings.api_keys else ""
    body = '{"messages": [{"role": "user", "content": "Hello."}]}'
    typer.echo(f"{model} at {place}/v1, the page at {place}/", err=True)
    typer.echo(f"curl {place}/v1/chat/completions -H 'Content-Type: application/json'{key} -d '{body}'", err=True)
