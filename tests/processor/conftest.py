"""Recorded numbers of the released code, and small processors to compare with them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from vl2.processor import Processor

FIXTURES = Path(__file__).parents[1] / "fixtures" / "processor"


@cache
def load_processor(name: str) -> Processor:
    return Processor.from_directory(FIXTURES / name)


def read_fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text(encoding="utf-8"))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def fixtures() -> Path:
    return FIXTURES


@pytest.fixture
def processor() -> Processor:
    return load_processor("a_tiny_mha")


@pytest.fixture
def read():
    return read_fixture
