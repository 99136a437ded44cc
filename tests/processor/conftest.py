"""Where the recorded numbers are, and a processor that reads like the released one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vl2.processor import Processor

FIXTURES = Path(__file__).parents[1] / "fixtures" / "processor"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def fixtures() -> Path:
    return FIXTURES


@pytest.fixture(scope="session")
def processor() -> Processor:
    return Processor.from_directory(FIXTURES / "a_tiny_mha")
