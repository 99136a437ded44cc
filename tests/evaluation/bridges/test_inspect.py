"""inspect-ai asks our model by its entry point. VL2_INSPECT_PYTHON names the Python that has it and us."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PYTHON = os.environ.get("VL2_INSPECT_PYTHON", "")
SIGN = Path(__file__).parents[3] / "examples" / "sign.png"
TASK = """
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText
from inspect_ai.scorer import includes

asked = ChatMessageUser(content=[ContentImage(image={sign!r}), ContentText(text="Read the text.")])
task = Task(dataset=MemoryDataset([Sample(input=[asked], target=target) for target in ("87.92", "nothing")]),
            scorer=includes())
(log,) = eval(task, model="vl2/pocket", log_dir={logs!r}, display="none")
assert log.status == "success", log.error
print(log.results.scores[0].metrics["accuracy"].value)
"""


@pytest.mark.skipif(not PYTHON, reason="inspect-ai is not here: set VL2_INSPECT_PYTHON")
def test_inspect(tmp_path):
    script = tmp_path / "task.py"
    script.write_text(TASK.format(sign=str(SIGN), logs=str(tmp_path / "logs")), encoding="utf-8")
    done = subprocess.run([PYTHON, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[-1]) == 0.5
