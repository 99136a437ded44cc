"""Screens, conversations about regions, pages, notebooks, and folders of one's own."""

from __future__ import annotations

import base64
import gzip
import json
import os
import time

import pytest
from PIL import Image

from tests.corpus.sources.made import answer_of, faults, picture, question_of, rows_of, usable, write, write_parquet
from tests.corpus.sources.test_table_sources import page_pdf
from tests.corpus.sources.test_text_sources import shown
from vl2.core.sample import BoxesPart, ImagePart, SceneObject, TextPart
from vl2.corpus.ingest import ingest
from vl2.corpus.source import Source
from vl2.corpus.sources.check import check_source
from vl2.processor import image_size


def waveui(**more) -> dict:
    return {"image": {"bytes": picture(), "path": None}, "instruction": "Close the window",
            "bbox": [50.0, 2.0, 62.0, 12.0], "resolution": [64, 48], "source": "rico", "platform": "web",
            "name": "close button", "description": "a cross", "type": "button", "OCR": "X", "language": "en",
            "purpose": "close", "expectation": "it closes", **more}  # fmt: skip


def test_waveui_boxes_are_taken_for_corners_and_checked(tmp_path):
    rows = [waveui(), waveui(bbox=[50.0, 2.0, 12.0, 10.0]), waveui(bbox=[50.0, 2.0, 90.0, 12.0]),
            waveui(resolution=[1280, 720])]  # fmt: skip
    path = write_parquet(tmp_path / "a.parquet", rows)
    (found,) = usable("waveui", path)
    assert found.objects == (SceneObject("close button", (50, 2, 62, 12), 0, "element"),)
    assert found.provenance["instruction"] == "Close the window" and found.provenance["ocr"] == ["X"]
    assert faults("waveui", path) == [
        "a box that is not corners within its screen", "a box that is not corners within its screen",
        "an image is not of the size that its boxes were told for",
    ]  # fmt: skip


def candidate(name: str, box: str) -> str:
    attributes = json.dumps({"backend_node_id": "1", "bounding_box_rect": box, "aria_label": name})
    return json.dumps({"tag": "button", "attributes": attributes, "backend_node_id": "1"})


def test_mind2web_is_json_within_json_within_a_list(tmp_path):
    row = {"action_uid": "u1", "operation": json.dumps({"op": "TYPE", "original_op": "TYPE", "value": "Oslo"}),
           "pos_candidates": [candidate("hidden", "-1,-1,-1,-1"), candidate("", "3,4,20,10")],
           "neg_candidates": [candidate("Menu", "0,0,5.5,5"), candidate("gone", "-1,-1,-1,-1")], "website": "fly",
           "confirmed_task": "Book a flight", "screenshot": {"bytes": picture(), "path": None},
           "target_action_reprs": "[textbox]  Where to? -> TYPE: Oslo", "raw_html": "<html>"}  # fmt: skip
    hidden = {**row, "pos_candidates": [candidate("hidden", "-1,-1,-1,-1")]}
    path = write_parquet(tmp_path / "a.parquet", [row, hidden])
    (found,) = usable("mind2web", path)
    assert found.objects == (SceneObject("Where to?", (3, 4, 23, 14), 0, "element"),
                             SceneObject("Menu", (0, 0, 5.5, 5), 0, "element"))  # fmt: skip
    assert found.provenance["instruction"] == "Type Oslo into Where to?" and found.id == "u1"
    assert faults("mind2web", path) == ["an action without an element that can be seen"]


def llava(question: str, answer: str, **more) -> dict:
    turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]
    return {"id": "1", "image": "a.png", "conversations": turns, **more}


def test_vip_llava_keeps_its_places_for_marks(tmp_path):
    write(tmp_path / "a.png", picture())
    polygon = [1, 2, 20, 2, 20, 12]
    rows = [llava("What is <bbox0>?", "A dog.", bboxes=[[1, 2, 21, 14]], segmentations=[[polygon]]),
            llava("What is <bbox0>?", "A dog.", bbox=[1, 2, 21, 14])]  # fmt: skip
    first, second = usable("vip_llava", write(tmp_path / "a.json", rows))
    assert first.objects == second.objects == (SceneObject("bbox0", (1, 2, 21, 14)),)
    assert first.provenance["outlines"] == [[1, 2, 20, 2, 20, 12]] and "<bbox0>" in question_of(first)
    from vl2.corpus.grounding.marked import Marked

    marked = Marked().change(ingest(first, Source(name="v", path="a.json")))
    assert "<bbox0>" not in question_of(marked) and len(marked.provenance["marks"]) == 1


def test_all_seeing_boxes_are_thousandths_perhaps_of_a_padded_square(tmp_path):
    write(tmp_path / "a.png", picture(size=(100, 50)))
    said = "<ref>A dog</ref><box>[[0, 250, 500, 750]]</box> "
    said += "<pred>lies on</pred><box>[[1,2,3,4]]</box><box>[[5,6,7,8]]</box> it."
    path = write(tmp_path / "a.jsonl", (llava("Tell.", said), llava("Tell.", "<ref>A dog <box>[[1,2]]</box>")))
    (plain,), (padded,) = usable("all_seeing_v2", path), usable("all_seeing_v2_padded", path)
    first = plain.messages[1].parts[0]
    assert isinstance(first, BoxesPart) and (first.label, first.boxes[0].thousandths()) == ("A dog", (0, 250, 500, 749))
    assert [part.text for part in plain.messages[1].parts[1:]] == [" ", "lies on", " it."]
    assert padded.messages[1].parts[0].boxes[0].thousandths() == (0, 0, 500, 999)  # 25 pixels above and below
    assert faults("all_seeing_v2", path) == ["marks that are not as published"]


def test_groma_takes_boxes_by_their_numbers(tmp_path):
    write(tmp_path / "a.png", picture(size=(100, 50)))
    turns = [
        {"from": "human", "value": "<image>\nWhere is <p>the cup</p><roi>?", "box_inds": [1]},
        {"from": "gpt", "value": "<p>It</p> <roi> is near <p>two dogs</p> <roi><roi>.", "box_inds": [1, 0, 2]},
    ]
    boxes = [[0, 0, 50, 25], [50, 25, 100, 50], [0, 25, 50, 50]]
    row = {"file_name": "a.png", "width": 100, "height": 50, "boxes": boxes, "conversation": turns}
    nested = [{"value": "Where?", "box_inds": []}, {"value": "<p>Here</p>.", "box_inds": [[2, 0]]}]
    wrong = [{"value": "Where?"}, {"value": "<p>Here</p>.", "box_inds": [7]}]
    path = write(tmp_path / "a.json", [row, {**row, "conversation": nested}, {**row, "conversation": wrong}])
    first, second = usable("groma_instruct", path)
    told = [(p.label, [b.thousandths() for b in p.boxes]) for p in first.messages[1].parts if isinstance(p, BoxesPart)]
    assert told == [("It", [(500, 500, 999, 999)]), ("two dogs", [(0, 0, 500, 500), (0, 500, 500, 999)])]
    assert isinstance(first.messages[0].parts[0], ImagePart) and len(second.messages[1].parts[0].boxes) == 2
    assert faults("groma_instruct", path) == ["a phrase with a box that is not listed"]


def test_websight_tells_what_a_page_would_fetch(tmp_path):
    page = '<html><style>@import "http://a/x.css"; b {background: url(file:///etc/passwd)}</style>'
    page += (
        '<img src="https://source.unsplash.com/random/1"><a href="/here">x</a><object data="//b/y.svg"></object></html>'
    )
    rows = [
        {"image": {"bytes": picture(), "path": None}, "text": page, "llm_generated_idea": "A shop"},
        {"image": {"bytes": picture(), "path": None}, "text": "<p>plain</p>", "llm_generated_idea": None},
    ]
    first, second = usable("websight", write_parquet(tmp_path / "a.parquet", rows))
    assert answer_of(first) == page and first.provenance["idea"] == "A shop" and second.provenance["external"] == []
    assert set(first.provenance["external"]) == {
        "http://a/x.css", "file:///etc/passwd", "https://source.unsplash.com/random/1", "//b/y.svg",
    }  # fmt: skip


def notebook(place: str) -> dict:
    """Return a notebook that would write a file if any of it ran."""
    attack = [f"import os; os.system('touch {place}')\n", "get_ipython().run_line_magic('run', 'x')\n"]
    png = base64.b64encode(picture(5)).decode()
    data = {"image/png": [png[:20] + "\n", png[20:]], "text/plain": "<Figure>"}
    figure = {"output_type": "display_data", "data": data, "metadata": {}}
    broken = {"output_type": "display_data", "data": {"image/png": "@@"}}
    script = {"output_type": "display_data", "data": {"text/html": f"<script>fetch('{place}')</script>"}}
    svg = {"output_type": "display_data", "data": {"image/svg+xml": "<svg><image href='file:///etc/passwd'/></svg>"}}
    plot = ["# draw\n", "\n", "import matplotlib.pyplot as plt\n", "plt.plot([1, 2])\n", "plt.show()"]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"argv": ["touch", place]}}, "cells": [
        {"cell_type": "markdown", "source": "# Title"},
        {"cell_type": "code", "source": attack, "outputs": [script, svg], "execution_count": 1},
        {"cell_type": "code", "source": plot, "outputs": [figure, {"output_type": "stream", "text": "x"}]},
        {"cell_type": "code", "source": "bad()", "outputs": [broken]},
    ]}  # fmt: skip


def test_notebooks_are_read_and_never_run(tmp_path):
    place = tmp_path / "ran"
    folder = tmp_path / "books"
    write(folder / "a.ipynb", notebook(str(place)))
    write(folder / "broken.ipynb", "{")
    write(folder / ".ipynb_checkpoints/a.ipynb", notebook(str(place)))
    (found,) = usable("notebooks", folder)
    assert found.images[0].data == picture(5) and found.provenance["code_lines"] == 3 and found.id == "a.ipynb:1"
    assert answer_of(found).startswith("# draw\n\nimport") and "os.system" in found.provenance["code_before"]
    assert faults("notebooks", folder) == ["a figure that is not base64", "a row that cannot be looked into"]
    assert not place.exists()


def test_compressed_notebooks_are_read_within_limits(tmp_path):
    write(tmp_path / "a.ipynb.gz", gzip.compress(json.dumps(notebook("x")).encode()))
    write(tmp_path / "b.ipynb.gz", gzip.compress(b" " * (65 << 20)))
    write(tmp_path / "c.ipynb.gz", b"no gzip")
    assert [row.id for row in usable("notebooks", tmp_path)] == ["a.ipynb.gz:1"]
    assert faults("notebooks", tmp_path) == [
        "a figure that is not base64", "a file unpacks to too much", "a file that cannot be decompressed",
    ]  # fmt: skip


def test_notebooks_of_format_3_and_of_the_stack(tmp_path):
    png = base64.b64encode(picture(6)).decode()
    old = {
        "nbformat": 3,
        "worksheets": [
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "input": ["plot()"],
                        "outputs": [{"output_type": "display_data", "png": png}] * 2,
                    }
                ]
            }
        ],
    }
    row = {"content": json.dumps(old), "hexsha": "ab", "ext": "ipynb", "lang": "Jupyter Notebook", "size": 5,
           "max_stars_repo_name": "a/b", "max_stars_repo_licenses": ["MIT"], "alphanum_fraction": 0.5}  # fmt: skip
    path = write_parquet(tmp_path / "a.parquet", [row, {**row, "content": json.dumps({"cells": []})}])
    found = usable("stack_notebooks", path)
    assert len(found) == 2 == found[0].provenance["figures"] and found[0].provenance["licence"] == "MIT"
    assert found[0].provenance["url"] == "https://github.com/a/b"


def test_a_folder_of_images_has_captions_and_what_cameras_say(tmp_path):
    exif = Image.Exif()
    exif[272], exif[306], exif[34853] = "Canon EOS", "2024:01:01 10:00:00", {1: "N"}
    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.JPG", exif=exif)
    write(tmp_path / "deep/b.png", picture())
    write(tmp_path / "deep/b.txt", "A caption.\n")
    write(tmp_path / "drawing.svg", "<svg/>")
    (outside := tmp_path.parent / f"{tmp_path.name}.png").write_bytes(picture())
    (tmp_path / "link.png").symlink_to(outside)
    first, second = usable("images", tmp_path)
    assert (
        first.provenance["metadata"] == {"camera": "Canon EOS", "taken": "2024:01:01 10:00:00"} and not first.messages
    )
    assert answer_of(second) == "A caption." and second.id == "deep/b.png"
    assert faults("images", tmp_path) == ["an image path leaves its root"]


def test_a_folder_of_pdfs_is_pages(tmp_path):
    pytest.importorskip("pypdfium2", reason="pypdfium2, which draws PDF pages, is not installed")
    write(tmp_path / "a.pdf", page_pdf())
    write(tmp_path / "huge.pdf", page_pdf(14400, 14400))
    write(tmp_path / "no.pdf", b"%PDF-1.4 no")
    found = usable("pdfs", tmp_path)
    assert [row.id for row in found] == ["a.pdf:0", "huge.pdf:0"]
    width, height = image_size(found[1].images[0])
    assert width * height <= 25_000_000 + width + height
    assert faults("pdfs", tmp_path) == ["a row that cannot be looked into"]


HTML = """<!DOCTYPE html><html><head><title>How to</title>
<script src="http://x/a.js">document.write("no")</script></head>
<body><nav><a href="/">Home</a></nav><h2>First</h2><p>One &amp; two<br>three.</p><img src="img/a.png" alt="x">
<ul><li>Item <b>bold</b></li></ul><pre>  code
    indented</pre><img src="http://x/track.png"><img src="file:///etc/passwd"><img src="../secret.png">
<img src="data:image/png;base64,AAAA"><img src="evil.svg"><svg><image href="file:///etc/passwd"/><text>no</text></svg>
<iframe src="http://x">no</iframe><p>End.</p><style>p {color: red}</style></body></html>"""


def test_html_pages_keep_their_order_and_open_nothing_else(tmp_path):
    write(tmp_path / "pages/sub/a.html", HTML)
    write(tmp_path / "pages/sub/img/a.png", picture())
    write(tmp_path / "pages/sub/evil.svg", "<svg xmlns:xlink='x'><image xlink:href='file:///etc/passwd'/></svg>")
    write(tmp_path / "pages/secret.png", picture())
    write(tmp_path / "secret.png", picture())
    write(tmp_path / "pages/empty.html", "<html><script>1</script></html>")
    (found,) = usable("html", tmp_path / "pages/sub")
    assert shown(found)[:3] == ["## First", "One & two", "three."] and shown(found)[3] == "*"
    assert found.provenance["missing_images"] == 5 and found.provenance["title"] == "How to" and len(found.images) == 1
    said = found.provenance["document"]
    assert (
        "- Item bold" in said and "  code\n    indented" in said and said.endswith("End.") and "no" not in said.split()
    )
    assert faults("html", tmp_path / "pages") == ["a document without text"]


def test_of_a_page_with_a_main_part_the_rest_is_left_out(tmp_path):
    write(tmp_path / "a.html", "<p>Press a key.</p><main><h1>Title</h1><p>Text.</p></main><p>About us.</p>")
    (found,) = usable("html", tmp_path)
    assert found.provenance["document"] == "# Title\n\nText."


def test_a_page_that_nests_without_end_is_read(tmp_path):
    write(tmp_path / "a.html", "<div>" * 200_000 + "<nav>" * 100_000 + "deep" + "</nav>" * 100_000 + "<p>shown")
    (found,) = rows_of("html", tmp_path)
    assert found is not None


@pytest.mark.parametrize(
    "unit", ["<a ", "<!--", "</", "<?", "<!", "<a x='", "<a x='>", '<a x=">', "<![CDATA[", "<td x"]
)
def test_tags_that_never_close_take_no_time(tmp_path, unit):
    """Python's parser takes minutes for a tenth of this."""
    write(tmp_path / "a.html", "<p>One.</p><p>Two.</p>" + unit * (1_000_000 // len(unit)))
    started = time.process_time()
    assert len(rows_of("html", tmp_path)) == 1
    assert time.process_time() - started < 10


@pytest.mark.parametrize(("name", "unit"), [
    ("wanjuan", "![a"), ("wanjuan", "![a]( "), ("websight", "src= "), ("websight", "src=" + " " * 400_000),
    ("all_seeing_v2", "<ref>a"), ("all_seeing_v2", "<ref>a</ref><box>[["),
])  # fmt: skip
def test_patterns_that_never_end_take_no_time(tmp_path, name, unit):
    write(tmp_path / "a.png", picture())
    said = unit * (400_000 // len(unit))
    row = {"id": 1, "content": said, "text": said, "image": "a.png", **llava("Tell.", said)}
    path = write(tmp_path / "a.jsonl", (row,))
    started = time.process_time()
    assert len(rows_of(name, path)) == 1
    assert time.process_time() - started < 10


def test_a_page_on_a_pipe_is_not_waited_for(tmp_path):
    write(tmp_path / "a.html", "<p>One.</p><img src='pipe.png'><p>Two.</p>")
    os.mkfifo(tmp_path / "pipe.png")
    (found,) = usable("html", tmp_path)
    assert found.provenance["missing_images"] == 1


def test_every_format_refuses_what_is_not_there(tmp_path):
    from vl2.core.errors import VL2Error
    from vl2.corpus.sources.table import SOURCES

    for name in SOURCES:
        with pytest.raises(VL2Error):
            check_source(Source(name="a", format=name, path=str(tmp_path / "nothing")))


def test_a_text_part_is_never_a_place(tmp_path):
    write(tmp_path / "a.html", "<p>Write &lt;image&gt;.</p><p>Then.</p>")
    (found,) = usable("html", tmp_path)
    assert all(isinstance(part, TextPart) for message in found.messages for part in message.parts)
