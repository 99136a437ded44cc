"""Boxes over the picture: where they lie, how they are tied to the text, and how they are saved."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from tests.serve.page.answers import ARROWS, HOUSE, SIGN
from tests.serve.page.steps import ask, attach

PHRASES = (HOUSE, ARROWS, SIGN)


@pytest.fixture
def answer(page):
    attach(page, "shapes.png", "sign.png")
    answer = ask(page, "describe both")
    page.wait_for_timeout(400)  # the boxes have grown to their size
    return answer


def expected_place(figure, corners):
    frame = figure.locator("img").bounding_box()
    x1, y1, x2, y2 = corners
    return (
        frame["x"] + x1 * frame["width"], frame["y"] + y1 * frame["height"],
        (x2 - x1) * frame["width"], (y2 - y1) * frame["height"],
    )  # fmt: skip


@pytest.mark.parametrize("width", [1280, 375])
def test_boxes_lie_where_they_were_found(page, answer, width):
    page.set_viewport_size({"width": width, "height": 860})
    page.wait_for_timeout(200)
    figures = answer.locator(".figure")
    assert figures.count() == 2, "one for each image that something was found in"
    for at, phrases in ((0, (HOUSE, ARROWS)), (1, (SIGN,))):
        figure = figures.nth(at)
        for phrase in phrases:
            marks = figure.locator(f".mark[data-phrase='{PHRASES.index(phrase)}']")
            assert marks.count() == len(phrase.boxes)
            for number, corners in enumerate(phrase.boxes):
                place = marks.nth(number).bounding_box()
                shown = (place["x"], place["y"], place["width"], place["height"])
                assert shown == pytest.approx(expected_place(figure, corners), abs=0.6)


def test_boxes_come_while_the_answer_streams(page, server):
    server.pause_s = 0.1
    attach(page, "shapes.png", "sign.png")
    page.fill("#question", "describe both")
    page.press("#question", "Enter")
    page.locator(".answer.running .mark.box").first.wait_for()
    assert page.locator(".answer.running .mark.box").count() < 5
    assert "<|" not in page.locator(".answer .prose").inner_text()
    page.locator(".answer .turn-tools").wait_for()
    assert page.locator(".mark.box").count() == 5


def test_no_mark_is_ever_seen_while_it_streams(page, server):
    server.pause_s = 0.02
    page.evaluate(
        """() => { window.seen = [];
            new MutationObserver(() => seen.push(document.querySelector('.prose')?.innerText ?? ''))
                .observe(document.querySelector('#thread'), { subtree: true, childList: true }); }"""
    )
    attach(page, "shapes.png", "sign.png")
    ask(page, "describe both")
    shown = page.evaluate("seen")
    assert len(shown) > 10
    assert not [text for text in shown if "<" in text or "|" in text or "[" in text]


def test_hover_ties_phrase_and_boxes_both_ways(page, answer):
    answer.locator(".chip", has_text="arrows").hover()
    assert answer.locator(".mark.lit").count() == 3
    assert answer.locator(".chip.lit").inner_text().startswith("arrows")
    page.mouse.move(5, 5)
    assert answer.locator(".lit").count() == 0
    answer.locator(".figure").first.locator(".mark").first.hover()
    assert answer.locator(".chip.lit").inner_text() == "blue house"
    assert answer.locator(".mark.lit").count() == 1


def test_keys_tie_them_too(page, answer):
    answer.locator(".chip").first.focus()
    assert answer.locator(".mark.lit").count() == 1
    page.keyboard.press("Enter")
    assert answer.locator(".chip").first.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    assert answer.locator(".mark.lit").count() == 3, "the focus went on to the arrows"


def test_equal_labels_share_a_colour_and_others_do_not(answer):
    colours = answer.locator(".mark").evaluate_all("all => all.map(one => one.style.getPropertyValue('--colour'))")
    assert len(set(colours)) == 3
    assert len(colours) == 5


def test_click_enlarges(page, answer):
    answer.locator(".figure .open").first.click(position={"x": 3, "y": 3})
    zoom = page.locator("dialog.zoom")
    assert zoom.locator(".mark.box").count() == 4
    before = zoom.locator(".figure").bounding_box()["width"]
    page.keyboard.press("+")
    assert zoom.locator(".figure").bounding_box()["width"] == pytest.approx(1.4 * before, rel=0.02)
    page.click("[aria-label='Next picture']")
    assert zoom.locator(".mark.box").count() == 1
    page.keyboard.press("Escape")
    zoom.wait_for(state="detached")


def test_save_the_annotated_picture(page, answer, tmp_path):
    with page.expect_download() as download:
        answer.locator("[aria-label*='PNG']").first.click()
    download.value.save_as(tmp_path / "boxes.png")
    picture = Image.open(tmp_path / "boxes.png").convert("RGB")
    assert picture.size == (480, 480), "a small picture is drawn larger, so that labels can be read"
    x1, y1, x2, y2 = (480 * share for share in HOUSE.boxes[0])
    assert picture.getpixel((round(x2), round((y1 + y2) / 2))) == (0xD6, 0x27, 0x28)
    assert download.value.suggested_filename == "shapes-boxes.png"


def test_save_the_boxes_as_json(page, answer, tmp_path):
    with page.expect_download() as download:
        answer.locator("[aria-label*='JSON']").first.click()
    download.value.save_as(tmp_path / "boxes.json")
    saved = json.loads((tmp_path / "boxes.json").read_text(encoding="utf-8"))
    assert saved["picture"] == {"name": "shapes.png", "width": 96, "height": 96}
    assert [thing["label"] for thing in saved["objects"]] == ["blue house", "arrows"]
    assert saved["objects"][0]["boxes"][0]["pixels"] == [42, 4, 73, 33]
    assert saved["objects"][0]["boxes"][0]["unit"] == list(HOUSE.boxes[0])
