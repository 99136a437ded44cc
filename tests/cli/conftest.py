"""A random checkpoint and an image for the command line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.engine import tiny


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("images") / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 150, 3), dtype=np.uint8)).save(path)
    return str(path)
