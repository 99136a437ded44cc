"""Tables: rebuilt to HTML with as many cells as were annotated, spans with them; pages and their boxes."""

from __future__ import annotations

import copy
import io
import zipfile

import pytest
from PIL import Image

from tests.corpus.sources.made import faults, picture, usable, write
from vl2.corpus.sources.html_table import from_cells, from_tokens, read_grid
from vl2.data.faults import RowError
from vl2.processor import open_image

STRUCTURE = ["<thead>", "<tr>", "<td", ' colspan="2"', ">", "</td>", "</tr>", "</thead>", "<tbody>", "<tr>", "<td",
             ' rowspan="2"', ">", "</td>", "<td>", "</td>", "</tr>", "<tr>", "<td>", "</td>", "</tr>",
             "</tbody>"]  # fmt: skip


def cells() -> list[dict]:
    return [{"tokens": ["<b>", "A", " ", "<", " ", "&", "</b>"], "bbox": [1, 2, 60, 12]},
            {"tokens": ["r", "1"], "bbox": [1, 14, 20, 40]}, {"tokens": []},
            {"tokens": ["4", "<sup>", "2", "</sup>"], "bbox": [30, 28, 60, 40]}]  # fmt: skip


def pubtabnet(**more) -> dict:
    return {"filename": "PMC1_001_00.png", "split": "train", "imgid": 5, "html": {"cells": cells(),
            "structure": {"tokens": STRUCTURE}}, **more}  # fmt: skip


def test_pubtabnet_is_rebuilt_with_its_spans(tmp_path):
    write(tmp_path / "train/PMC1_001_00.png", picture())
    old = pubtabnet()
    old["html"]["cell"] = old["html"].pop("cells")  # as its README has it
    path = write(tmp_path / "PubTabNet_2.0.0.jsonl", (pubtabnet(), old, pubtabnet(split="val")))
    first, second = usable("pubtabnet", path)
    assert first.answers == second.answers == (
        '<table><thead><tr><td colspan="2"><b>A &lt; &amp;</b></td></tr></thead><tbody><tr><td rowspan="2">r1</td>'
        "<td></td></tr><tr><td>4<sup>2</sup></td></tr></tbody></table>",
    )  # fmt: skip
    grid = read_grid(first.answers[0])
    assert grid.num_cells == len(cells()) == first.provenance["cells"] and grid.is_whole
    assert grid.rows == (("A < &", "A < &"), ("r1", ""), ("r1", "42"))
    assert first.provenance["document"] == "| A < & | A < & |\n| r1 |  |\n| r1 | 42 |"
    assert [(o.label, o.box, o.kind) for o in first.objects] == [
        ("A < &", (1, 2, 60, 12), "cell"), ("r1", (1, 14, 20, 40), "cell"), ("42", (30, 28, 60, 40), "cell"),
    ]  # fmt: skip
    assert faults("pubtabnet", path) == ["a row of another split"]


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row["html"]["cells"].pop(),
        lambda row: row["html"]["cells"].append({"tokens": ["x"]}),
        lambda row: row["html"]["structure"]["tokens"].insert(0, "<script>"),
        lambda row: row["html"]["structure"]["tokens"].__setitem__(3, ' colspan="2" onclick="x()"'),
        lambda row: row["html"]["structure"]["tokens"].__setitem__(3, ' colspan="9999"'),
        lambda row: row["html"]["structure"]["tokens"].__setitem__(3, ' colspan="3"'),
        lambda row: row["html"]["structure"]["tokens"].__setitem__(2, "<td>"),
        lambda row: row["html"]["structure"]["tokens"].pop(4),
        lambda row: row["html"].pop("structure"),
    ],
)
def test_a_table_that_does_not_fit_together_is_a_fault(tmp_path, change):
    row = copy.deepcopy(pubtabnet())
    change(row)
    write(tmp_path / "train/PMC1_001_00.png", picture())
    path = write(tmp_path / "a.jsonl", (row,))
    assert len(faults("pubtabnet", path)) == 1


def test_cells_can_hold_no_tags_but_those_of_style():
    table = from_tokens(["<tr>", "<td>", "</td>", "</tr>"], [{"tokens": ["<script>", "<img src=x onerror=y>", "<i>"]}])
    assert "<script>" not in table and "<img" not in table and table.count("<i>") == 1


def cell(text, rows, columns, **more):
    return {
        "json_text_content": text,
        "row_nums": rows,
        "column_nums": columns,
        "is_column_header": rows == [0],
        **more,
    }


def test_cells_with_places_become_a_table_and_come_back():
    told = [cell("d", [2], [1]), cell("a & b", [0], [0, 1]), cell("c", [1, 2], [0]), cell("", [1], [1])]
    table = from_cells(told)
    assert table == ('<table><tr><th colspan="2">a &amp; b</th></tr><tr><td rowspan="2">c</td><td></td></tr>'
                     "<tr><td>d</td></tr></table>")  # fmt: skip
    grid = read_grid(table)
    assert grid.num_cells == 4 and grid.is_whole and grid.rows == (("a & b", "a & b"), ("c", ""), ("c", "d"))


@pytest.mark.parametrize("told", [
    [], [cell("a", [0], [0]), cell("b", [0], [0])], [cell("a", [0], [0, 2])], [cell("a", [0], [1])],
    [cell("a", [], [0])], [cell("a", [0], [0]), cell("b", [1], [1])], [cell("a", [0, 10**9], [0])],
    [cell("a", [-1, 0], [0])],
])  # fmt: skip
def test_cells_that_are_no_table_are_refused(told):
    with pytest.raises(RowError):
        from_cells(told)


def test_spans_of_a_bomb_are_refused():
    with pytest.raises(RowError, match="too large"):
        read_grid("<table>" + "<tr>" + '<td rowspan="1000" colspan="1000">x</td>' * 50 + "</tr></table>")


def page_pdf(width: int = 200, height: int = 300) -> bytes:
    """Return a PDF of one page: black from x 20 to 120 and y 40 to 90 points from the bottom, else white."""
    content = b"0 0 0 rg 20 40 100 50 re f"
    parts = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
             b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 4 0 R>>" % (width, height),
             b"<</Length %d>>stream\n%s\nendstream" % (len(content), content)]  # fmt: skip
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 5\n0000000000 65535 f \n%strailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(out),
    )


def test_fintabnet_flips_points_to_pixels(tmp_path):
    pytest.importorskip("pypdfium2", reason="pypdfium2, which draws PDF pages, is not installed")
    write(tmp_path / "pdf/AAL/2010/page_3.pdf", page_pdf())
    told = cells()
    told[0]["bbox"] = [20, 40, 120, 90]
    for one in (told[1], told[3]):
        one["bbox"] = [30, 50, 40, 60]
    row = {"filename": "AAL/2010/page_3.pdf", "split": "train", "table_id": 9, "bbox": [10, 30, 130, 100],
           "html": {"cells": told, "structure": {"tokens": STRUCTURE}}}  # fmt: skip
    path = write(tmp_path / "FinTabNet_1.0.0_cell_train.jsonl", (row, {**row, "filename": "../x.pdf"}))
    (found,) = usable("fintabnet", path, images=str(tmp_path / "pdf"))
    image = open_image(found.images[0])
    x1, y1, x2, y2 = found.objects[0].box
    assert (x2 - x1, y2 - y1) == (200, 100)  # two pixels a point
    inside, outside = image.crop((x1 + 2, y1 + 2, x2 - 2, y2 - 2)), image.crop((0, 0, x1 - 2, image.height))
    assert inside.getextrema() == ((0, 0),) * 3 and outside.getextrema() == ((255, 255),) * 3
    assert faults("fintabnet", path, images=str(tmp_path / "pdf")) == ["an image path leaves its root"]


def test_fintabnet_c_has_places_and_a_top_left_origin(tmp_path):
    pytest.importorskip("pypdfium2", reason="pypdfium2, which draws PDF pages, is not installed")
    write(tmp_path / "AAL/page_3.pdf", page_pdf())
    told = [cell("a", [0], [0], pdf_bbox=[20, 210, 120, 260]), cell("b", [0], [1], pdf_bbox=[120, 210, 140, 260])]
    row = {"cells": told, "pdf_folder": "AAL/", "pdf_file_name": "page_3.pdf", "pdf_page_index": 0,
           "pdf_table_bbox": [20, 210, 140, 260], "structure_id": "AAL_3_0", "rows": {}, "columns": {}}  # fmt: skip
    (found,) = usable("fintabnet_c", write(tmp_path / "AAL_3_tables.json", [row]))
    image, box = open_image(found.images[0]), found.objects[0].box
    assert image.crop(tuple(int(v) + s for v, s in zip(box, (2, 2, -2, -2), strict=True))).getextrema() == ((0, 0),) * 3
    assert found.id == "AAL_3_0" and found.answers == ("<table><tr><th>a</th><th>b</th></tr></table>",)


def archive(members: dict[str, bytes], **more) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = more.get("attributes", 0o644) << 16
            file.writestr(info, data)
    return out.getvalue()


def test_images_are_read_from_an_archive_in_place(tmp_path):
    write(tmp_path / "images.zip", archive({"train/PMC1_001_00.png": picture(4)}))
    path = write(tmp_path / "a.jsonl", (pubtabnet(), pubtabnet(filename="gone.png")))
    (found,) = usable("pubtabnet", path, images=str(tmp_path / "images.zip"))
    assert found.images[0].data == picture(4)
    assert faults("pubtabnet", path, images=str(tmp_path / "images.zip")) == ["an image is not there"]


def test_an_archive_cannot_lead_out_of_it_or_fill_the_memory(tmp_path):
    secret = write(tmp_path / "secret.png", picture())
    write(tmp_path / "links.zip", archive({"train/PMC1_001_00.png": str(secret).encode()}, attributes=0o120777))
    write(tmp_path / "bomb.zip", archive({"train/PMC1_001_00.png": b"\0" * (80 << 20)}))
    assert (tmp_path / "bomb.zip").stat().st_size < 100_000
    path = write(tmp_path / "a.jsonl", (pubtabnet(),))
    assert faults("pubtabnet", path, images=str(tmp_path / "links.zip")) == ["a link in the archive"]
    assert faults("pubtabnet", path, images=str(tmp_path / "bomb.zip")) == ["a member of an archive is too large"]
    lying = bytearray((tmp_path / "bomb.zip").read_bytes())
    at = lying.rfind(b"PK\x01\x02")
    lying[at + 24 : at + 28] = (1000).to_bytes(4, "little")  # its header claims a thousand bytes
    write(tmp_path / "lying.zip", bytes(lying))
    assert len(faults("pubtabnet", path, images=str(tmp_path / "lying.zip"))) == 1


def test_names_and_links_cannot_lead_out_of_a_folder(tmp_path):
    write(tmp_path / "secret.png", picture())
    inside = tmp_path / "images"
    inside.mkdir()
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    rows = tuple(pubtabnet(filename=name) for name in ("../../secret.png", "link.png", str(tmp_path / "secret.png")))
    path = write(tmp_path / "a.jsonl", rows)
    assert faults("pubtabnet", path, images=str(inside)) == ["an image path leaves its root"] * 3


def test_a_picture_that_decodes_to_too_much_is_rejected(tmp_path):
    from vl2.corpus.ingest import ingest
    from vl2.corpus.source import Source
    from vl2.corpus.steps import measure_picture

    out = io.BytesIO()
    Image.new("1", (20000, 20000)).save(out, "PNG")
    assert len(out.getvalue()) < 200_000
    write(tmp_path / "train/PMC1_001_00.png", out.getvalue())
    path = write(tmp_path / "a.jsonl", (pubtabnet(),))
    (row,) = usable("pubtabnet", path)
    with pytest.raises(Exception, match="pixels"):
        measure_picture(ingest(row, Source(name="a", path=str(path))))
