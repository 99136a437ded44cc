"""Tiles over ranks: by the tiling rule from a histogram of sizes, with and without levelling."""

from __future__ import annotations

import pytest

from vl2.core.errors import ConfigError
from vl2.model import PRESETS
from vl2.train.planning.communication import BALANCED_SHARE
from vl2.train.planning.imbalance import ImageSize, even_histogram, measure_imbalance, read_histogram

CONFIG = PRESETS["tiny"]


def test_levelling_at_about_eight_and_a_half_tiles_a_pack():
    found = measure_imbalance(CONFIG, even_histogram(CONFIG), ranks=8)
    assert found.tiles_per_pack == pytest.approx(8.5, abs=0.3)
    assert found.unbalanced == pytest.approx(2.0, abs=0.15)
    assert found.balanced <= 1.06
    assert found.largest_gap <= 1
    assert found.moved_share == pytest.approx(BALANCED_SHARE, abs=0.03)


def test_more_ranks_wait_longer_for_the_fullest():
    unbalanced = [measure_imbalance(CONFIG, even_histogram(CONFIG), ranks=ranks).unbalanced for ranks in (1, 8, 84)]
    assert unbalanced == sorted(unbalanced)
    assert unbalanced[0] == 1
    assert unbalanced[2] == pytest.approx(2.2, abs=0.15)


def test_sizes_become_grids_by_the_rule():
    small = [ImageSize(width=300, height=200, count=1)]  # a 1x1 grid: one tile
    large = [ImageSize(width=3000, height=3000, count=1)]  # 3x3 and a thumbnail
    few, many = (measure_imbalance(CONFIG, sizes, ranks=4).tiles_per_pack for sizes in (small, large))
    assert few < 0.7 * many


def test_a_histogram_is_read(tmp_path):
    file = tmp_path / "sizes.txt"
    file.write_text("# width height count\n640 480 10\n\n1024,768,2.5  # photographs\n")
    assert read_histogram(file) == [
        ImageSize(width=640, height=480, count=10), ImageSize(width=1024, height=768, count=2.5)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("640 480", "sizes.txt:1: not a size"), ("640 480 1\na b c", ":2: not a size"), ("0 480 1", "not a size"),
        ("640 480 -1", "not a size"), ("640 480 inf", "not a size"), ("640 480 nan", "not a size"), ("", "is empty"),
    ],
)  # fmt: skip
def test_what_is_no_histogram(tmp_path, text, words):
    file = tmp_path / "sizes.txt"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_histogram(file)


def test_a_missing_histogram():
    with pytest.raises(ConfigError, match="no such file"):
        read_histogram("nowhere.txt")
