"""Marks drawn on a picture: the drawn picture is what is sent."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageChops

from tests.serve.page.steps import EXAMPLES, attach, finished, sent_pictures, sent_text

ORIGINAL = Image.open(EXAMPLES / "shapes.png").convert("RGB")


def open_drawing(page):
    attach(page, "shapes.png")
    page.locator(".attachments .thumbnail").hover()
    page.click(".attachments .draw")
    page.wait_for_selector(".drawing-stage canvas")


def drag(page, *points):
    frame = page.locator(".drawing-stage canvas").bounding_box()
    places = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def near(picture, colour, far=40):
    """Return how many pixels are of about a colour."""
    distance = np.abs(np.asarray(picture, dtype=int) - np.array(colour)).max(axis=2)  # [H, W]
    return int((distance <= far).sum())


@pytest.mark.parametrize(
    ("kind", "colour", "rgb"),
    [
        ("arrow", "red", (222, 35, 35)),
        ("box", "cyan", (20, 190, 215)),
        ("ellipse", "green", (35, 160, 55)),
        ("scribble", "pink", (250, 145, 195)),
    ],
)
def test_draw_and_ask(page, server, kind, colour, rgb):
    open_drawing(page)
    page.check(f"input[value={kind}]")
    page.check(f"input[value={colour}]")
    drag(page, (0.9, 0.6), (0.8, 0.5), (0.6, 0.35))
    page.click(".drawing button[type=submit]")
    finished(page)
    body = server.asked()[-1]
    assert colour in sent_text(body) and kind in sent_text(body)
    (sent,) = sent_pictures(body)
    assert sent.size == ORIGINAL.size
    assert ImageChops.difference(sent, ORIGINAL).getbbox() is not None
    assert near(sent, rgb) > near(ORIGINAL, rgb) + 15


def test_a_drawing_can_be_taken_up_again(page, server):
    open_drawing(page)
    drag(page, (0.1, 0.1), (0.5, 0.5))
    drag(page, (0.5, 0.5), (0.9, 0.9))
    page.click("[aria-label='Undo']")
    page.click("[aria-label='Redo']")
    page.click("text=Attach")
    page.locator(".attachments .thumbnail").hover()
    page.click(".attachments .draw")
    page.wait_for_selector(".drawing-stage canvas")
    page.click("[aria-label='Remove all shapes']")
    page.fill("#marked-question", "What is this?")
    page.click("text=Attach")
    assert page.input_value("#question") == "What is this?"
    page.press("#question", "Enter")
    finished(page)
    (sent,) = sent_pictures(server.asked()[-1])
    assert ImageChops.difference(sent, ORIGINAL).getbbox() is None, "without shapes the picture is as it was"


def test_draw_with_keys(page, server):
    open_drawing(page)
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    for key in ["ArrowUp"] * 5 + ["Enter"] + ["ArrowRight"] * 8 + ["ArrowUp"] * 8 + ["Enter"]:
        page.keyboard.press(key)
    page.click(".drawing button[type=submit]")
    finished(page)
    assert near(sent_pictures(server.asked()[-1])[0], (222, 35, 35)) > 20


def test_nine_colours_with_names(page):
    open_drawing(page)
    names = page.locator("input[name=colour]").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert names == ["red", "green", "blue", "yellow", "orange", "purple", "cyan", "pink", "white"]
