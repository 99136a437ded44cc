"""Whatever rows and files hold: a row is a Sample or a Fault, a file is rows or one VL2Error."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.data.faults import MOST_REASONS, Fault, add_fault
from vl2.data.records import open_records, verify
from vl2.data.records.coco import read_coco
from vl2.data.records.forms import to_sample
from vl2.data.records.root import Root
from vl2.data.records.row import Row

IN_ONE_FOLDER = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.sampled_from(
    "id image images messages conversations from value role content parts type text image boxes label query response "
    "history system objects ref bbox bbox_type image_id texts user assistant human gpt caption path bytes norm1 real "
    "<image> <bbox> <ref-object><bbox> ../a /etc/passwd a.png annotations categories file_name width height "
    "category_id name iscrowd".split()
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 2000) | st.floats() | WORDS | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5), max_leaves=25
)
TURNS = st.lists(st.fixed_dictionaries({"from": WORDS, "value": WORDS}) | VALUES, max_size=4)
MESSAGES = st.lists(st.fixed_dictionaries({"role": WORDS, "content": WORDS | VALUES}) | VALUES, max_size=4)
NUMBERS = st.sampled_from([0, 1, 2])
THINGS = VALUES | st.fixed_dictionaries(
    {"id": NUMBERS},
    optional={"name": WORDS, "image_id": NUMBERS, "category_id": NUMBERS, "width": SCALARS, "height": SCALARS,
              "file_name": SCALARS, "bbox": st.lists(SCALARS, min_size=3, max_size=4), "iscrowd": SCALARS},
)  # fmt: skip
RECORDS = st.dictionaries(WORDS, VALUES, max_size=6) | st.fixed_dictionaries(
    {}, optional={"conversations": TURNS, "messages": MESSAGES, "images": VALUES, "objects": VALUES, "image": VALUES}
)


@settings(max_examples=600)
@given(RECORDS)
def test_a_row_of_any_shape_is_a_sample_or_a_fault(record):
    found = to_sample(Row(record), "row", Root("somewhere"))
    assert isinstance(found, Sample | Fault)
    if isinstance(found, Sample):
        assert all(image.data is not None or "somewhere" in str(image.path) for image in found.images)


@settings(max_examples=200)
@given(st.lists(THINGS, max_size=3), st.lists(THINGS, max_size=3), st.lists(THINGS, max_size=3))
def test_annotations_of_any_shape_are_samples_faults_or_refused(images, annotations, categories):
    document = {"images": images, "annotations": annotations, "categories": categories}
    try:
        found = list(read_coco("a.json", document, Root("somewhere")))
    except VL2Error:
        return
    assert all(isinstance(one, Sample | Fault) for one in found)


@pytest.fixture(scope="module")
def valid():
    """Small whole files by ending."""
    row = {"id": "1", "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "!"}]}
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}" + "n" * 120 * (number == 1) + ".json")
            member.size = len(json.dumps(row))
            archive.addfile(member, io.BytesIO(json.dumps(row).encode()))
    found = {
        ".tar": tar.getvalue(),
        ".jsonl": "\n".join([json.dumps(row)] * 4).encode(),
        ".json": json.dumps([row] * 4).encode(),
    }
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        return found
    out = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([row] * 9), out, row_group_size=4)
    return found | {".parquet": out.getvalue()}


@pytest.mark.parametrize("ending", [".tar", ".jsonl", ".json", ".parquet"])
@IN_ONE_FOLDER
@given(st.data())
def test_a_damaged_file_is_rows_and_faults_or_one_error(tmp_path, valid, ending, data):
    if ending not in valid:
        pytest.skip("pyarrow is not installed")
    damaged = bytearray(valid[ending])
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=6)):
        damaged[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(damaged)))
    path = tmp_path / f"a{ending}"
    path.write_bytes(damaged[:end] if data.draw(st.booleans()) else damaged)
    try:
        found = verify(open_records(str(path)))
    except VL2Error:
        return
    assert found.num_usable + sum(found.skipped.values()) == found.num_rows


def test_the_count_of_reasons_is_bounded():
    counts: dict[str, int] = {}
    for number in range(1000):
        counts = add_fault(counts, Fault(f"reason {number}"))
    assert len(counts) <= MOST_REASONS + 1 and sum(counts.values()) == 1000
