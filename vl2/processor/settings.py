"""Settings of the processor: processor_config.json, and what config.json says of tiles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vl2.core.batch import IGNORE_INDEX
from vl2.core.errors import ConfigError
from vl2.core.settings import build, load_json
from vl2.core.tiles import candidate_resolutions
from vl2.processor.marks import IMAGE, PAD
from vl2.processor.tiles import Normalization
from vl2.processor.tiling import TilingRule

FILE = "processor_config.json"


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """The fields of the released processor_config.json; canvases are (width, height) in pixels, the first one tile."""

    candidate_resolutions: tuple[tuple[int, int], ...]
    patch_size: int = 14
    downsample_ratio: int = 2
    image_mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    image_std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    normalize: bool = True
    image_token: str = IMAGE
    pad_token: str = PAD
    add_special_token: bool = False
    sft_format: str = "deepseek"
    mask_prompt: bool = False
    ignore_id: int = IGNORE_INDEX
    processor_class: str = "DeepseekVLV2Processor"

    def __post_init__(self) -> None:
        for name, expected in (("image_token", IMAGE), ("sft_format", "deepseek"), ("ignore_id", IGNORE_INDEX)):
            if getattr(self, name) != expected:
                raise ConfigError(FILE, f"{name} is not supported", got=getattr(self, name), expected=expected)
        if not self.candidate_resolutions:
            raise ConfigError(FILE, "candidate_resolutions is empty", do="Give at least one (width, height).")
        if self.patch_size < 1 or self.downsample_ratio < 1 or min(self.image_std) <= 0:
            raise ConfigError(FILE, "patch_size, downsample_ratio and image_std must be positive")
        if self.tile_size < self.patch_size:
            raise ConfigError(FILE, "a tile is smaller than a patch", got=self.tile_size, expected=self.patch_size)

    @classmethod
    def from_directory(cls, directory: str | Path) -> ProcessorSettings:
        """Read processor_config.json; without it the released defaults and the tiles of config.json serve.

        Raises ConfigError on unknown keys, on both missing and on a config.json that contradicts.
        """
        directory = Path(directory)
        own = _read(directory / FILE)
        model = _read(directory / "config.json")
        if own is None and model is None:
            raise ConfigError(str(directory), f"holds neither {FILE} nor config.json", do="Check the directory.")
        of_model = _tiles_of_model(model or {}, str(directory / "config.json"))
        settings = build(cls, of_model if own is None else own, thing=str(directory / FILE))
        told = build(cls, asdict(settings) | of_model, thing=str(directory / "config.json"))
        for name in of_model:
            if getattr(told, name) != getattr(settings, name):
                raise ConfigError(
                    str(directory), f"{FILE} and config.json differ in {name}", got=getattr(settings, name),
                    expected=getattr(told, name), do="Make them agree.",
                )  # fmt: skip
        return settings

    @property
    def tile_size(self) -> int:
        """Return the side of a tile in pixels."""
        return self.candidate_resolutions[0][0]

    @property
    def side(self) -> int:
        """Return the visual tokens along one side of a tile: 14 as released (paper, section 2)."""
        return -(-(self.tile_size // self.patch_size) // self.downsample_ratio)

    def rule(self) -> TilingRule:
        """Return the rule that chooses grids."""
        return TilingRule(tile_size=self.tile_size, candidates=self.candidate_resolutions)

    def with_max_tiles(self, max_tiles: int) -> ProcessorSettings:
        """Return the settings with all canvases of at most `max_tiles` tiles as candidates."""
        return replace(self, candidate_resolutions=candidate_resolutions(self.tile_size, max_tiles))

    def normalization(self) -> Normalization:
        """Return how pixels are normalised."""
        return Normalization(mean=self.image_mean, std=self.image_std, enabled=self.normalize)

    def save(self, directory: str | Path) -> None:
        """Write processor_config.json, keys sorted as in the released files."""
        text = json.dumps(asdict(self), ensure_ascii=True, indent=2, sort_keys=True)
        (Path(directory) / FILE).write_text(text + "\n", encoding="utf-8")


def _tiles_of_model(config: Mapping[str, Any], thing: str) -> dict[str, Any]:
    """Return the settings that config.json holds too; it leaves out whatever equals the released default."""
    vision, projector = (config.get(name, {}) for name in ("vision_config", "projector_config"))
    if not isinstance(vision, Mapping) or not isinstance(projector, Mapping):
        raise ConfigError(thing, "vision_config or projector_config is not a mapping")
    candidates, size = config.get("candidate_resolutions"), vision.get("image_size")
    if isinstance(size, int) and size > 0:
        if candidates is None:
            candidates = candidate_resolutions(size)
        elif not isinstance(candidates, list):
            raise ConfigError(thing, "candidate_resolutions is not a list", got=repr(candidates)[:40])
        elif list(candidates[:1]) != [[size, size]]:
            raise ConfigError(thing, "the first canvas is not one image_size", got=candidates[:1], expected=size)
    held = {
        "candidate_resolutions": candidates,
        "patch_size": vision.get("patch_size"),
        "downsample_ratio": projector.get("downsample_ratio"),
    }
    return {name: value for name, value in held.items() if value is not None}


def _read(path: Path) -> dict[str, Any] | None:
    """Return a JSON mapping, or None when there is no such file."""
    return load_json(path) if path.is_file() else None
