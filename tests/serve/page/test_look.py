"""Light and dark, small windows, keys and screen readers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.serve.page.steps import ask, attach, finished

BACKGROUND = "getComputedStyle(document.body).backgroundColor"
IS_FOCUS_SEEN = """(() => {
    const one = document.activeElement;
    const shown = one.type === 'radio' ? one.nextElementSibling : one;
    return one.id === 'question' || one === document.body || getComputedStyle(shown).outlineStyle !== 'none';
})()"""  # the frame around the question shows its focus
IS_WIDE = "document.documentElement.scrollWidth > innerWidth || document.body.scrollWidth > innerWidth"


def brightness(page):
    return sum(int(part) for part in page.evaluate(BACKGROUND).strip("rgb()").split(",")) / 3


def test_light_dark_and_the_toggle(page):
    assert brightness(page) > 200
    page.emulate_media(color_scheme="dark")
    assert brightness(page) < 60
    page.click("#toggle-theme")
    assert brightness(page) > 200
    page.reload()
    assert brightness(page) > 200, "the choice is kept"
    page.click("#open-settings")
    page.check("dialog input[value=system]")
    assert brightness(page) < 60


def test_a_narrow_window_never_scrolls_sideways(page):
    page.set_viewport_size({"width": 375, "height": 740})
    assert not page.evaluate(IS_WIDE)
    attach(page, "shapes.png", "sign.png")
    ask(page, "describe both")
    assert not page.evaluate(IS_WIDE)
    ask(page, "markdown")
    assert not page.evaluate(IS_WIDE)
    page.click("#open-settings")
    assert not page.evaluate(IS_WIDE)
    page.keyboard.press("Escape")
    page.click("#open-sidebar")
    page.click("text=Read a page")
    assert not page.evaluate(IS_WIDE)
    tall = page.locator("#main").bounding_box()["height"]
    assert tall <= 740


def test_the_tiles_of_a_thumbnail(page, server):
    attach(page, "shapes.png")
    card = page.locator("#tile-card")
    page.locator(".attachments .open").hover()
    card.wait_for()
    assert "2,105 tokens" in card.inner_text() and "2 × 2 tiles and a thumbnail" in card.inner_text()
    assert card.locator(".column, .row").count() == 2
    page.mouse.move(5, 5)
    card.wait_for(state="hidden")
    page.locator(".attachments .open").focus()
    card.wait_for()
    attach(page, "receipt.png", "sign.png")
    page.locator(".attachments .open").first.hover()
    page.locator("#tile-card", has_text="1 × 1 tile").wait_for()
    assert [len(body["images"]) for body in server.asked("/v1/tiles")] == [1, 3]


def test_everything_by_keys(page):
    page.keyboard.press("Tab")
    attach(page, "shapes.png")
    page.focus("#question")
    page.keyboard.type("hello")
    page.keyboard.press("Enter")
    finished(page)
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"))
        assert page.evaluate(IS_FOCUS_SEEN), page.evaluate("document.activeElement.outerHTML")
    wanted = {"Enlarge shapes.png", "Edit the question", "Copy the answer", "Ask again", "Settings", "Add pictures"}
    assert wanted <= seen, wanted - seen


def test_sentences_are_announced(page, server):
    server.pause_s = 0.02
    page.evaluate(
        """() => { window.said = [];
            const note = (one) => one.addedNodes.forEach((node) => said.push(node.textContent));
            new MutationObserver((all) => all.forEach(note))
                .observe(document.querySelector('#announcer'), { childList: true }); }"""
    )
    attach(page, "shapes.png", "sign.png")
    ask(page, "describe both")
    said = page.evaluate("said")
    assert said[0] == "The picture 🖼 shows a blue house and arrows."
    assert said[-1] == "The answer is complete."


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["start", "answer", "settings", "drawing", "reading", "narrow"])
def test_axe_finds_nothing_serious(page, context, scheme, state):
    if "VL2_AXE" not in os.environ:
        pytest.skip("needs the path of axe.min.js (npm: axe-core) in VL2_AXE")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    STATES[state](page)
    page.wait_for_timeout(300)
    page.evaluate(Path(os.environ["VL2_AXE"]).read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    serious = [
        (rule["id"], [node["html"][:160] + " " + node["failureSummary"][:300] for node in rule["nodes"]])
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    ]
    assert not serious, serious


def show_answer(page):
    attach(page, "shapes.png", "sign.png")
    ask(page, "describe both")
    ask(page, "markdown")
    page.locator("pre .hljs-keyword").first.wait_for()


def show_drawing(page):
    attach(page, "shapes.png")
    page.click(".attachments .open")
    page.click("[aria-label='Mark and ask']")
    page.wait_for_selector(".drawing-stage canvas")


def show_reading(page):
    attach(page, "sign.png")
    page.check(".verbs input[value=read]")
    page.click("button.send")
    page.locator(".page-text").wait_for()


def show_narrow(page):
    page.set_viewport_size({"width": 375, "height": 740})
    show_answer(page)
    page.click("#open-sidebar")


STATES = {
    "start": lambda page: None,
    "answer": show_answer,
    "settings": lambda page: page.click("#open-settings"),
    "drawing": show_drawing,
    "reading": show_reading,
    "narrow": show_narrow,
}
