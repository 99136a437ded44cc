"""Conversations, and documents of texts and images in their order."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest

from tests.corpus.sources.made import answer_of, faults, picture, question_of, rows_of, usable, write, write_parquet
from tests.corpus.sources.test_table_sources import page_pdf
from vl2.core.errors import VL2Error
from vl2.core.sample import ImagePart, TextPart
from vl2.corpus.source import Source
from vl2.corpus.sources.check import check_source
from vl2.corpus.sources.wit import COLUMNS
from vl2.data.records.files import MAX_ROW_BYTES


def shown(sample) -> list[str]:
    """Return the parts of a document in their order: texts, and `*` for an image."""
    parts = [part for message in sample.messages for part in message.parts]
    return ["*" if isinstance(part, ImagePart) else part.text.strip() for part in parts if getattr(part, "text", "*")]


def sharegpt4v(image: str | None, question: str) -> dict:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": "A dog lies on a mat."}]
    return {"id": "000000012345", "conversations": turns} | ({"image": image} if image else {})


def test_sharegpt4v_has_its_image_before_or_after_the_question_or_none(tmp_path):
    rows = [sharegpt4v("coco/train2017/1.jpg", "<image>\nDescribe."),
            sharegpt4v("sam/images/1.jpg", "Describe.\n<image>"), sharegpt4v(None, "Who are you?"),
            sharegpt4v("../1.jpg", "<image>"), sharegpt4v("http://x/1.jpg", "<image>"),
            sharegpt4v(None, "<image>")]  # fmt: skip
    path = write(tmp_path / "share-captioner_coco_lcs_sam_1246k_1107.json", rows)
    first, second, third = usable("sharegpt4v", path)
    assert isinstance(first.messages[0].parts[0], ImagePart) and isinstance(second.messages[0].parts[-1], ImagePart)
    assert (first.provenance["subset"], second.provenance["subset"]) == ("coco", "sam") and not third.images
    assert first.provenance["licence"] == "CC-BY-NC-4.0"
    assert faults("sharegpt4v", path) == [
        "an image path leaves its root", "an image is an address; only paths are read",
        "images do not match their places",
    ]  # fmt: skip
    found = check_source(Source(name="a", format="sharegpt4v", path=str(path)))
    assert (found.num_rows, found.num_usable, found.num_images, found.num_missing) == (6, 3, 2, 2)


def test_allava_keeps_the_old_caption_and_its_address(tmp_path):
    row = {
        **sharegpt4v("allava_laion/images/1.jpeg", "<image>\nDescribe."),
        "original_caption": "dog",
        "url": "https://x/1",
    }
    (found,) = usable("allava", write(tmp_path / "ALLaVA-Caption-LAION-4V.json", [row]))
    assert found.provenance["caption"] == "dog" and found.provenance["url"] == "https://x/1"


def test_a_row_that_never_ends_is_a_fault(tmp_path):
    line = json.dumps({**sharegpt4v(None, "x"), "id": "y" * (MAX_ROW_BYTES + 10)})
    path = write(tmp_path / "a.jsonl", line + "\n" + json.dumps(sharegpt4v(None, "x")) + "\n")
    assert faults("sharegpt4v", path) == ["a row is too long"] and len(usable("sharegpt4v", path)) == 1


def texts(**more) -> dict:
    return {"images": [{"bytes": picture(1), "path": None}, {"bytes": picture(2), "path": "2.png"}],
            "texts": [{"user": "One?", "assistant": "Yes.", "source": "ai2d"},
                      {"user": "Two?", "assistant": "No.", "source": "ai2d"}], **more}  # fmt: skip


def test_cauldron_and_docmatix_are_read_from_parquet(tmp_path):
    for name in ("cauldron", "docmatix"):
        (found, *_) = usable(name, write_parquet(tmp_path / f"{name}.parquet", [texts()] * 3))
        assert [image.data for image in found.images] == [picture(1), picture(2)]
        assert len(found.messages) == 4 and found.provenance["subset"] == "ai2d"


def test_finevision_rates_each_turn(tmp_path):
    rated = texts(source="ai2d", relevance_ratings=[5, 1], formatting_ratings=None)
    short = texts(source="ai2d", relevance_ratings=[5], formatting_ratings=None)
    path = write_parquet(tmp_path / "a.parquet", [rated, short])
    (found,) = usable("finevision", path)
    assert found.provenance["ratings"] == {"relevance_ratings": [5, 1]}
    assert faults("finevision", path) == ["ratings are not one for each turn"]


def test_docmatix_pages_are_drawn(tmp_path):
    pytest.importorskip("pypdfium2", reason="pypdfium2, which draws PDF pages, is not installed")
    rows = [{"pdf": page_pdf(), "texts": texts()["texts"]}, {"pdf": b"%PDF-no", "texts": texts()["texts"]}]
    path = write_parquet(tmp_path / "a.parquet", rows)
    (found,) = usable("docmatix_pdf", path)
    assert len(found.images) == 1 and found.images[0].data.startswith(b"\x89PNG")
    assert faults("docmatix_pdf", path) == ["not a PDF, or an encrypted one"]


def obelics(*pieces, **more) -> dict:
    """Return a document: addresses are images, others are texts."""
    images = [piece if piece.startswith("http") else None for piece in pieces]
    about = [{"document_url": "https://page", "src": one, "formatted_filename": "a"} if one else None for one in images]
    return {"images": images, "texts": [None if image else piece for image, piece in zip(images, pieces, strict=True)],
            "metadata": json.dumps(about), "general_metadata": json.dumps({"url": "https://page/1"}),
            **more}  # fmt: skip


def test_obelics_keeps_its_order_and_leaves_out_what_is_gone(tmp_path):
    here, gone = "https://x/here.jpg", "https://x/gone.jpg"
    write(tmp_path / f"{hashlib.sha256(here.encode()).hexdigest()}.jpg", picture(1))
    rows = [obelics("Intro", here, "Middle", gone, "End", here), obelics("Only text."),
            obelics("a", here) | {"texts": ["a", "b"]}, obelics("a", here) | {"texts": ["a"]},
            obelics("a", here) | {"metadata": "[]"}, obelics(here), obelics("a") | {"metadata": "{broken"}]  # fmt: skip
    path = write_parquet(tmp_path / "train-00000.parquet", rows)
    first, second = usable("obelics", path)
    assert shown(first) == ["Intro", "*", "Middle\n\nEnd"]  # the last image has nothing after it
    assert first.provenance["missing_images"] == 1 and first.provenance["url"] == "https://page/1"
    assert first.provenance["document"] == "Intro\n\nMiddle\n\nEnd" and not second.images
    assert faults("obelics", path) == [
        "not exactly one of image and text at each place", "not exactly one of image and text at each place",
        "metadata are not one for each place", "a document without text",
        "a field is missing or of the wrong type",
    ]  # fmt: skip


def test_pages_of_obelics_keep_their_names_when_files_are_cut_anew(tmp_path):
    rows = [obelics(f"Text {number}.") for number in range(6)]
    write_parquet(tmp_path / "one/a.parquet", rows)
    write_parquet(tmp_path / "two/a.parquet", rows[:2])
    write_parquet(tmp_path / "two/b.parquet", rows[2:])
    names = [row.id for row in usable("obelics", tmp_path / "one")]
    assert names == [row.id for row in usable("obelics", tmp_path / "two")] and len(set(names)) == 6


def test_wanjuan_is_markdown_with_addresses(tmp_path):
    sha = "ab" * 32
    write(tmp_path / "ab" / f"{sha}.png", picture())
    row = {"id": "w1", "content": "前言。\n![](https://x/a.jpg)\n正文![说明](https://x/gone.jpg \"t\")结尾。",
           "img_list": [{"url": "https://x/a.jpg", "sha256": sha, "width": 64, "height": 48}]}  # fmt: skip
    (found,) = usable("wanjuan", write(tmp_path / "part-000036.jsonl", (row,)))
    assert shown(found) == ["前言。", "*", "正文\n\n结尾。"] and found.provenance["missing_images"] == 1


def test_wikihow_steps_have_their_pictures(tmp_path):
    step = {"headline": "Boil water.", "description": "Use a pot.", "img": "https://w/aid1-v4-728px-Boil.jpg",
            "img_license": "License: CC BY-NC-SA", "step_id": "1_0_0"}  # fmt: skip
    last = {"headline": "Pour.", "description": None, "img": None, "img_license": None, "step_id": "1_0_1"}
    row = {"file_id": 1, "goal": "Make Tea", "goal_description": "It is easy.", "category_hierarchy": ["Food"],
           "methods": [{"name": "In a Pot", "steps": [step, last]}]}  # fmt: skip
    write(tmp_path / "images/1_0_0.png", picture())
    path = write(tmp_path / "WikihowText_data.json", (row,))
    (found,) = usable("wikihow_vgsi", path, images=str(tmp_path / "images"))
    said = ["# Make Tea", "It is easy.", "## In a Pot", "*", "1. Boil water.\nUse a pot.\n\n2. Pour."]
    assert shown(found) == said and found.provenance["image_licences"] == ["License: CC BY-NC-SA"]


def test_wikihow_csv_has_line_breaks_in_its_cells(tmp_path):
    path = write(
        tmp_path / "wikihowAll.csv",
        '\ufeffheadline,title,text\n"\nBoil it.,\nPour ""it"".",How to Make Tea,"Use\na pot."\n',
    )
    (found,) = usable("wikihow_csv", path)
    assert question_of(found) == "How to Make Tea" and answer_of(found) == 'Boil it.,\nPour "it".\n\nUse\na pot.'


def wit(**more) -> str:
    row = {"language": "en", "page_url": "https://en/Volga", "image_url": "https://up/Volga_1.jpg",
           "page_title": "Volga", "section_title": "", "hierarchical_section_title": "Volga",
           "caption_reference_description": "",
           "caption_attribution_description": "English: a river", "caption_alt_text_description": "",
           "mime_type": "image/jpeg", "original_height": "48", "original_width": "64", "is_main_image": "false",
           "attribution_passes_lang_id": "true", "page_changed_recently": "",
           "context_page_description": "A long river.", "context_section_description": "", **more}  # fmt: skip
    quoted = ['"' + cell.replace('"', '""') + '"' if set(cell) & set('"\n\t') else cell for cell in row.values()]
    assert tuple(row) == COLUMNS
    return "\t".join(quoted) + "\n"


@pytest.fixture
def wit_file(tmp_path):
    shipping = {"section_title": "Shipping", "hierarchical_section_title": "Volga / Shipping",
                "context_section_description": 'Ships "of all\tkinds"\nsail.',
                "image_url": "https://up/Ship.jpg"}  # fmt: skip
    text = "\t".join(COLUMNS) + "\n" + wit(**shipping, caption_reference_description='A "ship"')
    text += wit(page_url="https://zh/伏尔加河", language="zh", page_title="伏尔加河")
    text += wit(is_main_image="true", caption_reference_description="The river")
    text += wit(caption_attribution_description="")
    for number, name in enumerate(("Volga_1", "Ship")):
        write(tmp_path / f"images/{name}.jpg", picture(number, kind="JPEG"))
    return write(tmp_path / "wit_v1.train.all-00000-of-00010.tsv.gz", gzip.compress(text.encode()))


def test_wit_pages_are_put_together(wit_file):
    found = {row.id: row for row in usable("wit", wit_file, images=str(wit_file.parent / "images"))}
    assert set(found) == {"https://en/Volga", "https://zh/伏尔加河"}
    page = found["https://en/Volga"]
    assert shown(page)[:4] == ["# Volga", "A long river.", "*", "The river"]
    assert (
        "## Shipping" in page.provenance["document"] and 'Ships "of all\tkinds"\nsail.' in page.provenance["document"]
    )
    assert (
        len(page.images) == 3
        and page.provenance["licence"] == "CC-BY-SA-3.0"
        and page.provenance["missing_images"] == 0
    )


def test_wit_images_have_their_best_caption(wit_file):
    found = usable("wit_images", wit_file, images=str(wit_file.parent / "images"))
    assert [answer_of(row) for row in found] == ['A "ship"', "English: a river", "The river"]
    assert faults("wit_images", wit_file, images=str(wit_file.parent / "images")) == ["an image without a caption"]
    checked = check_source(
        Source(name="w", format="wit_images", path=str(wit_file), images=str(wit_file.parent / "images"))
    )
    assert (checked.num_rows, checked.num_missing, checked.missing_fields) == (4, 0, {})


def test_a_quote_that_never_closes_costs_its_own_line(tmp_path):
    broken = wit(section_title="x").replace("\tx\t", '\t"x\t')
    text = "\t".join(COLUMNS) + "\n" + wit() + broken + wit() * 3 + "too\tfew\n"
    path = write(tmp_path / "a.tsv", text)
    assert len(usable("wit_images", path)) == 4
    assert faults("wit_images", path) == [
        "a line that is too long, or whose quotes do not close", "a row with another number of cells than its heading",
    ]  # fmt: skip


def test_a_compressed_file_that_unpacks_to_too_much_is_refused(tmp_path):
    path = write(tmp_path / "wit.tsv.gz", gzip.compress(b"\t" * (300 << 20), 9))
    assert path.stat().st_size < 400_000
    with pytest.raises(VL2Error, match="unpacks to too much"):
        rows_of("wit", path)


def test_a_text_with_a_place_for_an_image_in_it_is_a_text(tmp_path):
    (found,) = usable("wanjuan", write(tmp_path / "a.jsonl", ({"id": 1, "content": "Write <image> here.\nThen."},)))
    assert found.messages[0].parts == (TextPart("Write <image> here.\n"),)
