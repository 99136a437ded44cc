"""Read text: what an OCR engine reads in the images of a row, written down as a hint for later steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.step import Batch, Step, is_kept, reject
from vl2.data.faults import fault_of
from vl2.processor import open_image


@dataclass(frozen=True, kw_only=True)
class ReadText:
    """RapidOCR, whose models come with its package."""

    threads: int = 1  # of each process: its default takes all, and several times as long
    least_score: float = 0.5  # of a line, as the engine gives it
    longest_side: int | None = None  # pixels in which lines are looked for; without it, at least 736 of the shorter one
    keep: bool = True  # what a row brings along is not read again


def reading_by(name: str, version: int, settings: ReadText) -> Step:
    """Return the step. Raises VL2Error where the engine is not installed."""

    def read(sample: Sample) -> Sample:
        if not sample.images or (settings.keep and isinstance(sample.provenance.get("ocr"), list)):
            return sample
        lines = [line for image in sample.images for line in _read(np.asarray(open_image(image)), settings)]
        versions = {**sample.provenance.get("versions", {}), name: version}
        return replace(sample, provenance={**sample.provenance, "ocr": lines, "versions": versions})

    def attempt(sample: Sample) -> Sample:
        try:
            return read(sample) if is_kept(sample) else sample
        except VL2Error as error:
            return reject(sample, name, fault_of(error).reason)

    def run(batch: Batch) -> list[Sample]:
        _engine(settings)  # where it is missing, the run ends: it is not the fault of a row
        return [attempt(sample) for sample in batch]

    return Step(name=name, version=version, run=run)


def _read(pixels: np.ndarray, settings: ReadText) -> list[str]:
    """Return the lines that are read in an image [H, W, 3], in the engine's order."""
    found = _engine(settings)(pixels[..., ::-1])  # it takes blue first
    pairs = zip(found.txts or (), found.scores or (), strict=True)
    return [str(text) for text, score in pairs if score >= settings.least_score]


@lru_cache(maxsize=1)
def _engine(settings: ReadText) -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError:
        do = "Run `pip install 'vl2[corpus]'`, or leave the step out."
        raise VL2Error("read_text", "needs rapidocr", do=do) from None
    place = "EngineConfig.onnxruntime"
    threads = {f"{place}.{kind}_op_num_threads": settings.threads for kind in ("intra", "inter")}
    side = settings.longest_side
    sides = {} if side is None else {"Det.limit_type": "max", "Det.limit_side_len": side}
    return RapidOCR(params={**threads, **sides, "Global.log_level": "error"})
