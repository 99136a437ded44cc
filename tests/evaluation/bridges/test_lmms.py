"""lmms-eval runs our model offline on a Parquet file, remembers every answer, and scores it as we do.

It brings another torch, so it lives in an environment of its own: VL2_LMMS_PYTHON names the Python that has it and us.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from vl2.evaluation.answerers.engine import EngineAnswerer
from vl2.evaluation.bridges.answering import open_answerer
from vl2.evaluation.job import Job
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.runner import run_job
from vl2.evaluation.tasks import TASKS

PYTHON = os.environ.get("VL2_LMMS_PYTHON", "")
EXAMPLES = Path(__file__).parents[3] / "examples"
QUESTIONS = (("sign.png", "Read the text.", ["87.92 QUESTION"]), ("sign.png", "Read the text.", ["nothing like it"]),
             ("shapes.png", "How many houses are there?", ["1", "one"]))  # fmt: skip
TASK = """
task: vl2_pages
dataset_path: parquet
dataset_kwargs:
  data_files:
    validation: {file}
test_split: validation
output_type: generate_until
doc_to_visual: !function lookup.pictures
doc_to_text: !function lookup.question
doc_to_target: answers
generation_kwargs: {{max_new_tokens: 32, until: ["\\n\\n"], temperature: 0, do_sample: false}}
process_results: !function lookup.results
metric_list:
  - metric: anls
    aggregation: mean
    higher_is_better: true
"""
LOOKUP = '''
def pictures(row):
    return [row["image"].convert("RGB")]

def question(row, kwargs=None):
    return row["question"] + "\\nAnswer the question using a single word or phrase."

def results(row, said):
    from lmms_eval.api.metrics import anls
    return anls(row["answers"], said)
'''


@pytest.fixture
def pages(tmp_path) -> Path:
    """Three questions about the example pictures, in the columns of DocVQA."""
    rows = [
        {"questionId": str(number), "question": question, "answers": answers, "docId": number, "question_types": [],
         "image": {"bytes": (EXAMPLES / name).read_bytes(), "path": None}}
        for number, (name, question, answers) in enumerate(QUESTIONS)
    ]  # fmt: skip
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.Table.from_pylist(rows).schema
    schema = schema.set(schema.get_field_index("image"), pyarrow.field("image", image))
    features = {name: {"dtype": "string", "_type": "Value"} for name in ("questionId", "question")}
    features |= {"answers": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}}
    features |= {"docId": {"dtype": "int64", "_type": "Value"}, "image": {"_type": "Image"}}
    features |= {"question_types": {"feature": {"dtype": "null", "_type": "Value"}, "_type": "List"}}
    known = {"huggingface": json.dumps({"info": {"features": features}})}
    path = tmp_path / "pages.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema.with_metadata(known)), path)
    return path


def ours(pages: Path, folder: Path) -> float:
    """Return our score of the same questions in the same prompts."""
    answerer: EngineAnswerer = open_answerer("pocket")
    try:
        job = Job(task=TASKS["docvqa"], rows=lambda: open_rows(TASKS["docvqa"], pages), profile="lmms")
        results = run_job(job, answerer, folder)
    finally:
        answerer.close()
    assert results is not None
    return results.summary.score


@pytest.mark.skipif(not PYTHON, reason="lmms-eval is not here: set VL2_LMMS_PYTHON")
def test_lmms_eval(pages, tmp_path):
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    (tasks / "vl2_pages.yaml").write_text(TASK.format(file=pages), encoding="utf-8")
    (tasks / "lookup.py").write_text(LOOKUP, encoding="utf-8")
    command = [
        PYTHON, "-m", "lmms_eval", "--model", "vl2", "--model_args", "pretrained=pocket", "--tasks", "vl2_pages",
        "--include_path", str(tasks), "--batch_size", "1", "--output_path", str(tmp_path / "out"), "--log_samples",
        "--use_cache", str(tmp_path / "cache"),
    ]  # fmt: skip
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    runs = [subprocess.run(command, env=offline, capture_output=True, text=True, check=False) for _ in range(2)]
    for run in runs:
        assert run.returncode == 0, run.stderr[-3000:]
    files = sorted((tmp_path / "out").rglob("*_results.json"))
    scores = [json.loads(file.read_text(encoding="utf-8"))["results"]["vl2_pages"]["anls,none"] for file in files]
    assert len(set(scores)) == 1
    assert scores[0] * 100 == pytest.approx(ours(pages, tmp_path / "run"))
    assert 0 < scores[0] < 1, "one answer is right, one is wrong"
    hits = ["3/3 cache hits" in run.stderr + run.stdout for run in runs]
    assert hits == [False, True], "the second run asks nothing"
