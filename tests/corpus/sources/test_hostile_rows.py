"""Whatever a row holds, in every format: it is a Sample or a Fault, and its fields are counted."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.ingest import ingest
from vl2.corpus.source import Source
from vl2.corpus.sources.drift import Drift
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.source_format import SourceRows
from vl2.corpus.sources.table import SOURCES
from vl2.data.faults import Fault
from vl2.data.records.row import Row
from vl2.processor.images import open_image

EXAMPLES = int(os.environ.get("VL2_HOSTILE_ROWS", "8"))  # of each format
WORDS = st.sampled_from(
    "id image images width height file_name bbox category name iscrowd segmentation sent phrase x y w h names tokens "
    "structure cells cell row_nums column_nums json_text_content pdf_bbox user assistant from value human gpt box_inds "
    "text bounding_boxes ocr_tokens ocr_info word bounding_box top_left_x attributes bounding_box_rect steps headline "
    "img goal rows page_url image_url page_title is_main_image section_title <td <td> > </td> <tr> train a.png "
    "../a.png /etc/passwd http://x/a.png [] {} 1,2,3,4 -1,-1,-1,-1 <ref>a</ref><box>[[1,2,3,4]]</box> <p>a</p> #### "
    "a ) b".split()
    + ["a" * 300]  # longer than the name of a file may be
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 2000) | st.floats() | WORDS | st.text(max_size=4) | st.just(b"\x89")
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(WORDS, inner, max_size=5), max_leaves=20
)
LIKELY = {
    "text": WORDS | st.text(max_size=6),
    "number": st.integers(-2, 300) | st.floats(),
    "boolean": st.booleans(),
    "list": st.lists(VALUES, max_size=5) | st.lists(st.dictionaries(WORDS, VALUES, max_size=6), max_size=3),
    "mapping": st.dictionaries(WORDS, VALUES, max_size=6),
    "image": st.binary(max_size=9) | WORDS | st.fixed_dictionaries({"bytes": st.binary(max_size=4)}),
    "any": VALUES,
}


class OneRow:
    """A file of one row."""

    path = "made"
    piece_rows = np.ones(1, int)

    def __init__(self, record):
        self.record = record

    def read(self, piece):
        return [Row(self.record)]


@pytest.mark.parametrize("name", SOURCES)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_row_of_any_shape_is_a_sample_or_a_fault(tmp_path, name, data):
    kind = SOURCES[name]
    record = data.draw(
        st.fixed_dictionaries(
            {}, optional={field: LIKELY[told.removesuffix("?")] | VALUES for field, told in kind.fields.items()}
        )
    )
    source = Source(name="made", format=name, path=str(tmp_path))
    (row,) = SourceRows(OneRow(record), kind, source, Pictures(str(tmp_path))).read(0)
    assert isinstance(row, Sample | Fault)
    Drift(kind.fields).add(record)
    if isinstance(row, Sample):
        assert all(image.data is not None or str(tmp_path) in str(image.path) for image in row.images)
        try:
            ingest(row, source)
        except VL2Error as error:
            assert "row" in error.thing


def test_a_name_longer_than_any_file_has_is_an_image_that_is_missing(tmp_path):
    image = Pictures(str(tmp_path)).first_of(["a" * 300 + suffix for suffix in (".jpg", ".png")])
    with pytest.raises(VL2Error, match="File name too long"):
        open_image(image.path)
