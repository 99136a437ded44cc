"""What a model writes is shown and does nothing; the page keeps to its policy."""

from __future__ import annotations

import re
from pathlib import Path

from tests.serve.page.steps import ask, finished

WEB = Path(__file__).parents[3] / "vl2" / "serve" / "web"
OWN = [path for path in WEB.rglob("*") if path.is_file() and "vendor" not in path.parts]


def test_hostile_output_does_nothing(page):
    answer = ask(page, "hostile")
    answer.locator("math").first.wait_for()
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    prose = answer.locator(".prose")
    assert prose.locator("img, script, iframe, svg, style, form, input, object, embed").count() == 0
    attributes = prose.evaluate("root => [...root.querySelectorAll('*')].flatMap(one => one.getAttributeNames())")
    assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "srcdoc")]
    links = prose.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert not [link for link in links if link and not link.startswith("http")]
    assert '<img src=x onerror="window.hacked=1">' in prose.inner_text(), "it is shown as the text it is"


def test_hostile_names_do_nothing(page, tmp_path):
    name = "<img src=x onerror=window.hacked=1>.png"
    source = (WEB / "examples" / "sign.png").read_bytes()
    page.set_input_files(
        "#composer input[type=file]:not([capture])", {"name": name, "mimeType": "image/png", "buffer": source}
    )
    page.locator(".attachments .thumbnail").wait_for()
    ask(page, "<img src=x onerror=window.hacked=1>")
    assert page.evaluate("window.hacked") is None
    assert page.locator("h1 img, .bubble img, .conversations img").count() == 0


def test_a_megabyte_of_text_leaves_the_page_quick(page):
    page.fill("#question", "long")
    page.press("#question", "Enter")
    finished(page)
    assert page.locator(".answer .prose").evaluate("one => one.textContent.length") > 999_000
    page.fill("#question", "still here")
    assert page.input_value("#question") == "still here"


def test_the_policy_holds_in_the_files():
    index = (WEB / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", index)
    for path in OWN:
        if path.suffix in (".js", ".html", ".css"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(inner|outer|Adjacent)HTML|document\.write|\beval\(|new Function", text), path
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), f"{path} names an address elsewhere"


def test_it_stays_small():
    assert sum(path.stat().st_size for path in WEB.rglob("*") if path.is_file()) < 1_500_000
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in OWN if path.suffix == ".js"}
    assert not {name: lines for name, lines in lengths.items() if lines > 300}


def test_each_library_has_its_licence():
    folders = [path for path in (WEB / "vendor").iterdir() if path.is_dir()]
    assert folders and all((folder / "LICENSE").is_file() for folder in folders)
