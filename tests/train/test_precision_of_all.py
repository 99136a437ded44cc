"""Processors of one run that do and do not multiply bfloat16 compute in the same type."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import torch
import torch.distributed as dist

from tests.processes import start
from vl2.core import precision
from vl2.train.processes import precision_of_all

CPU = torch.device("cpu")


def agree(rank: int, folder: str, fast: tuple[bool, bool]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    with patch.object(precision, "multiplies_bfloat16", lambda device: fast[rank]):
        found = [precision_of_all("bfloat16", CPU), precision_of_all("float32", CPU)]
    dist.destroy_process_group()
    (Path(folder) / str(rank)).write_text(" ".join(found))


def test_one_process_without_bfloat16_brings_all_to_float32(tmp_path):
    for name, fast, common in (("mixed", (True, False), "float32"), ("fast", (True, True), "bfloat16")):
        folder = tmp_path / name
        folder.mkdir()
        start(agree, str(folder), fast, count=2)
        assert [(folder / str(rank)).read_text() for rank in (0, 1)] == [f"{common} float32"] * 2
