"""Table 2 of the paper, written out once more by hand, against the rows."""

from __future__ import annotations

import pytest

from vl2.core.errors import ConfigError
from vl2.train.paper import TABLE_2, WARMUP_STEPS, paper_row
from vl2.train.stages import STAGES

# learning rate, scheduler, aux weight, bias step, tokens in 1e9, batch, packing, pipeline, bf16 states
COLUMNS = {
    ("tiny", "align"): (5.4e-4, "cosine", 1e-3, None, 2.0, 256, False, False, False),
    ("tiny", "pretrain"): (5.4e-4, "step", 1e-3, None, 798.5, 2304, True, True, False),
    ("tiny", "sft"): (3.0e-5, "constant", 1e-3, None, 19.5, 64, True, True, False),
    ("small", "align"): (4.2e-4, "cosine", 1e-3, None, 2.0, 256, False, True, False),
    ("small", "pretrain"): (4.2e-4, "step", 1e-3, None, 808.9, 2304, True, True, False),
    ("small", "sft"): (1.4e-5, "constant", 1e-3, None, 20.0, 64, True, True, False),
    ("base", "align"): (4.5e-4, "cosine", 1e-4, 0, 2.0, 256, False, True, True),
    ("base", "pretrain"): (4.5e-4, "step", 1e-4, 1e-3, 796.5, 3360, True, True, True),
    ("base", "sft"): (2e-5, "constant", 1e-4, 0, 19.5, 64, True, True, True),
}
# tokens / (batch * 4096), worked out apart
STEPS = {
    ("tiny", "align"): 4687, ("small", "align"): 4687, ("base", "align"): 4687,
    ("tiny", "pretrain"): 84612, ("small", "pretrain"): 85714, ("base", "pretrain"): 57874,
    ("tiny", "sft"): 74387, ("small", "sft"): 76294, ("base", "sft"): 74387,
}  # fmt: skip


def test_there_are_nine_columns():
    assert set(TABLE_2) == set(COLUMNS)


@pytest.mark.parametrize("column", COLUMNS, ids="-".join)
def test_a_row_is_its_column(column):
    row = TABLE_2[column]
    found = (
        row.learning_rate, row.schedule, row.aux_weight, row.bias_step, row.num_tokens / 1e9, row.batch_size,
        row.is_packed, row.is_pipelined, row.has_bf16_states,
    )  # fmt: skip
    assert found == COLUMNS[column]
    everywhere = (row.vision_rate, row.weight_decay, row.clip, row.betas, row.sequence_length)
    assert everywhere == (0.1, 0.1, 1.0, (0.9, 0.95), 4096)
    assert row.num_steps == STEPS[column]


@pytest.mark.parametrize("column", COLUMNS, ids="-".join)
def test_the_table_and_the_stages_agree_on_what_is_frozen(column):
    row = TABLE_2[column]
    assert row.freezes_language is (column[1] == "align")
    assert row.freezes_language is not any(prefix.startswith("language") for prefix in STAGES[row.stage].trains)


def test_warm_up_fits_into_every_stage():
    for row in TABLE_2.values():
        assert 0 < row.warmup(row.num_steps) <= min(WARMUP_STEPS, 0.03 * row.num_steps + 1)
    assert TABLE_2["tiny", "pretrain"].warmup(84612) == WARMUP_STEPS
    assert TABLE_2["tiny", "align"].warmup(1907) == 57


@pytest.mark.parametrize(
    ("names", "words"), [(("tinny", "sft"), "Did you mean 'tiny'"), (("base", "sfd"), "Did you mean 'sft'")]
)
def test_what_is_not_in_the_table_is_refused(names, words):
    with pytest.raises(ConfigError, match=words):
        paper_row(*names)
