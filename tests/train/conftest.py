"""One little corpus for all tests of training."""

from __future__ import annotations

import pytest

from tests.data.drawn import build_little_corpus
from tests.train.stage_toys import write_start


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return build_little_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def starts(corpus, tmp_path_factory):
    """Return the first weights of a toy of each variant."""
    folder = tmp_path_factory.mktemp("starts")
    return {variant: write_start(folder / variant, variant, corpus) for variant in ("tiny", "small", "base")}
