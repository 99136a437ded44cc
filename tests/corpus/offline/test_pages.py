"""Manuals and templates of web pages become rows; a browser shows them, and says truly what can be seen of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.corpus.dedup.planted import png
from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.drawing.page import DrawPage
from vl2.corpus.hints import document_of
from vl2.corpus.ingest import ingest
from vl2.corpus.pipelines.code import code_of
from vl2.corpus.sandbox import browser
from vl2.corpus.sandbox.browser import Loading, load_page
from vl2.corpus.sandbox.page import find_browser, look_at_page, show_page, visible_text
from vl2.corpus.source import Source
from vl2.corpus.sources.packages.documents.manuals import MOST_TOKENS, count_tokens, cut
from vl2.corpus.sources.packages.documents.style_sheet import prune
from vl2.corpus.sources.table import open_source
from vl2.corpus.step import text_of
from vl2.data.faults import Fault
from vl2.processor import open_image

NEEDS_BROWSER = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")
GIMP = Path("/usr/share/gimp/2.0/help/en")
LONG = "This paragraph says how a layer is moved below another one in the list of layers. " * 4


def rows_of(source: Source) -> list[Sample | Fault]:
    rows = open_source(source)
    return [rows[number] for number in range(len(rows))]


def picture(side: int, level: int) -> bytes:
    return png(Image.new("RGB", (side, side), (level, level, level)))


@NEEDS_BROWSER
def test_a_browser_is_kept_and_replaced_when_it_ends():
    browser.close_browser()
    assert show_page("<p>one", (200, 100)).text == "one" and show_page("<p>two", (200, 100)).text == "two"
    (kept,) = browser._kept
    assert kept.num_pages == 2
    os.killpg(kept._process.pid, signal.SIGKILL)
    assert show_page("<p>three", (200, 100)).text == "three"
    assert browser._kept[0] is not kept and not kept.is_open and not Path(kept._place).exists()


@NEEDS_BROWSER
def test_a_browser_ends_with_its_process():
    code = """import time
from vl2.corpus.sandbox import browser, page
page.show_page("<p>a", (200, 100))
print(browser._kept[0]._process.pid, browser._kept[0]._place, flush=True)
time.sleep(60)"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        group, place = parent.stdout.readline().split()
        assert is_running(int(group)) and Path(place).is_dir()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        end = time.monotonic() + 20
        while (is_running(int(group)) or Path(place).exists()) and time.monotonic() < end:
            time.sleep(0.1)
        assert not is_running(int(group)) and not Path(place).exists()


def is_running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@NEEDS_BROWSER
def test_scripts_and_requests_do_nothing_even_without_a_policy():
    html = "<p id=a>one</p><script>document.body.innerText = 'two'</script><img src='http://a.invalid/a.png'>"
    loading = Loading(html=html, policy="default-src * 'unsafe-inline'", size=(200, 100))
    assert visible_text(load_page(find_browser() or "", loading).markup) == "one"


@NEEDS_BROWSER
def test_a_page_that_does_not_end_is_an_error_and_the_next_one_is_shown():
    with pytest.raises(VL2Error, match="too long"):
        show_page("<p>a", (200, 100), timeout_s=0.0)
    assert show_page("<p>b", (200, 100)).text == "b"


@NEEDS_BROWSER
def test_only_what_can_be_seen_is_told_and_stands_where_it_is_told():
    html = """<body style="margin:0; font: 16px sans-serif"><h1>Top</h1>
    <button style="position:absolute; left:40px; top:100px; width:120px; height:40px; background:#f00; border:0">Go
    </button><a href="#" style="position:absolute; left:300px; top:100px">under</a>
    <div style="position:absolute; left:290px; top:90px; width:90px; height:40px; background:#00f"></div>
    <a href="#" style="visibility:hidden">hidden</a><p style="position:absolute; left:-500px">aside</p>
    <input placeholder="Your name" style="position:absolute; left:40px; top:170px; text-transform: uppercase">
    <p style="position:absolute; left:40px; top:210px; text-transform: uppercase">loud</p>
    <ol style="position:absolute; left:40px; top:230px"><li>first<li>second</ol>
    <a href="#" style="position:absolute; left:40px; top:390px">half</a></body>"""
    seen = look_at_page(html, (400, 400))
    assert [(one.kind, one.name) for one in seen.elements] == [("heading", "Top"), ("button", "Go"),
                                                               ("input", "Your name")]  # fmt: skip
    assert seen.document == "Top\nGo\nLOUD\n1. first\n2. second"
    assert seen.elements[1].box == (40, 100, 160, 140)
    pixels = np.asarray(open_image(ImageSource(data=seen.picture)), int)
    assert pixels.shape == (400, 400, 3)
    rows, columns = np.nonzero((pixels[..., 0] > 250) & (pixels[..., 1] < 5))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (40, 100, 160, 140)


@NEEDS_BROWSER
def test_a_picture_ends_below_its_last_line_and_cuts_none():
    html = "".join(f"<p style='margin:0; height:30px; line-height:30px'>line {number}</p>" for number in range(30))
    seen = look_at_page(f"<body style='margin:0'>{html}", (300, 200), most_lines=40)
    assert seen.document.splitlines()[-1] == "line 5" and 180 <= seen.size[1] < 200  # the seventh is cut by the window
    few = look_at_page(f"<body style='margin:0'>{html}", (300, 200), most_lines=3)
    assert few.document == "line 0\nline 1\nline 2" and 80 <= few.size[1] <= 100
    below = look_at_page(f"<body style='margin:0'>{html}", (300, 210), scroll=1.0)
    assert below.document.splitlines() == [f"line {number}" for number in range(23, 30)]
    two = open_image(ImageSource(data=few.picture))
    assert two.size == few.size


def a_manual(folder: Path) -> Path:
    folder.mkdir()
    (folder / "big.png").write_bytes(picture(64, 90))
    (folder / "icon.png").write_bytes(picture(16, 9))
    (folder / "a.html").write_text(
        f"""<html><head><title>A</title></head><body><div class="navheader"><img src="icon.png"/></div>
        <div class="toc"><dl><dt>No list</dt></dl></div><h2 class="title">1.2. Moving layers</h2><p>{LONG}{LONG}</p>
        <p>Before <img src="icon.png" alt="i"/> it.</p><img src="big.png" alt="A list of layers"/><p>After {LONG}</p>
        <h3>1.2.1. Raising</h3><p onclick="x()">Short <span class="guilabel">Raise layer</span>.</p>
        <script>bad()</script>
        <p>See <a href="http://a.invalid">this</a>.</p><div class="navfooter"><p>Next</p></div></body></html>"""
    )
    return folder


def test_sections_of_a_manual_are_documents_in_order(tmp_path):
    folder = a_manual(tmp_path / "manual")
    first, second = rows_of(Source(name="m", format="manual", path=str(folder)))
    assert isinstance(first, Sample) and isinstance(second, Sample)
    said = text_of(first)
    assert said.startswith("## 1.2. Moving layers") and said.index("Before it.") < said.index("After This")
    assert [Path(image.path or "").name for image in first.images] == ["big.png"]
    assert document_of(second) == "### 1.2.1. Raising\n\nShort Raise layer.\n\nSee this."


def test_a_section_that_is_half_translated_is_no_row(tmp_path):
    pages = {
        "mixed": f"<h2>移动图层</h2><p>在图层列表中选择一个图层，然后移动它。</p><pre>{'in English ' * 9}</pre>",
        "kept": f"<h2>移动图层</h2><p>在图层列表中选择一个图层，然后把它移动到另一个图层的下面。</p><p>{LONG}</p>",
    }
    for name, markup in pages.items():
        (tmp_path / f"{name}.html").write_text(f"<body>{markup}</body>", encoding="utf-8")
    kept, mixed = rows_of(Source(name="m", format="manual", path=str(tmp_path)))
    assert mixed == Fault("a section in two languages")
    assert isinstance(kept, Sample) and "paragraph" not in document_of(kept) and "另一个图层" in document_of(kept)


def test_a_long_chapter_is_cut_where_no_list_is_cut():
    entries = "".join(f"<li><p>{LONG}</p></li>" for _ in range(8))
    markup = f"<h1>One</h1>{f'<p>{LONG}</p>' * 40}<ul>{entries}</ul><p>Last words of it.</p>"
    found = cut(markup)
    assert len(found) > 2 and "".join(markup[start:end] for start, end in found) == markup
    assert all(count_tokens(markup[start:end]) <= MOST_TOKENS for start, end in found)
    assert all(markup[start:end].count("<ul>") == markup[start:end].count("</ul>") for start, end in found)


def test_a_page_of_a_manual_holds_nothing_but_text_and_its_pictures(tmp_path):
    folder = a_manual(tmp_path / "manual")
    first, second = rows_of(Source(name="m", format="manual_page", path=str(folder)))
    assert isinstance(first, Sample) and isinstance(second, Sample)
    html = code_of(first)
    assert 'src="image:0"' in html and 'src="image:1" alt="A list of layers"' in html and len(first.images) == 2
    assert first.provenance["title"] == "Moving layers" and "<title>Moving layers</title>" in html
    assert all(word not in code_of(second) for word in ("onclick", "script", "bad()", "http", "Next", "class"))


def a_template(folder: Path) -> Path:
    (folder / "css").mkdir(parents=True)
    (folder / "css" / "sb-admin-2.css").write_text(
        """/* c */ .card { border: 1px solid #4e73df; transition: all 1s } .unused, p.card-text { color: #222 }
        .btn:hover { color: red } @media (min-width: 768px) { .col-6 { width: 50% } } @media print { p { color: red } }
        @font-face { font-family: x; src: url(x.woff) } .bg-login-image { background: url("http://a.invalid/x") }"""
    )
    (folder / "cards.html").write_text(
        """<body id="page-top"><!-- c --><div class="card"><h6>Header of it</h6><p class="card-text">A text of more than
        five words in all.</p><b>$40,000</b><input placeholder="Search"><script>x</script></div><div class="card">
        <img src="img/a.svg"><p>Two words</p><div class="bg-login-image"></div></div></body>"""
    )
    return folder


def test_templates_are_filled_with_the_words_of_a_manual(tmp_path):
    folder, manual = a_template(tmp_path / "template"), a_manual(tmp_path / "manual")
    told = {"name": "w", "path": str(folder), "images": str(manual)}
    whole = rows_of(Source(format="web_page", **told))[0]
    assert isinstance(whole, Sample) and len(whole.images) == 1  # the icon is too small for one
    html = code_of(whole)
    assert "Moving layers" in html or "Raise layer" in html
    assert "This paragraph says how" in html and "Header of it" not in html and "A text of more" not in html
    parts = [code_of(row) for row in rows_of(Source(format="web_part", **told)) if isinstance(row, Sample)]
    assert len(set(parts)) > 30 and all("image:" not in part and "<script" not in part for part in parts)
    assert all("http" not in part and "transition" not in part and ".unused" not in part for part in parts)
    assert prune((folder / "css" / "sb-admin-2.css").read_text(), '<p class="card col-6">') == (
        ".card { border: 1px solid #4e73df; }\n.col-6 { width: 50% }".replace("50% }", "50%; }")
    )
    with pytest.raises(VL2Error, match="no manual"):
        open_source(Source(name="w", format="web_page", path=str(folder)))


@NEEDS_BROWSER
def test_a_drawn_page_knows_what_it_shows(tmp_path):
    source = Source(name="m", format="manual_page", path=str(a_manual(tmp_path / "manual")), licence="MIT")
    rows = [ingest(row, source) for row in rows_of(source) if isinstance(row, Sample)]
    step = DrawPage(widths=(500,), heights=(900,), most_lines=40, answer="text")
    drawn = [step.change(row) for row in rows]
    assert drawn == [step.change(row) for row in rows]  # the same bytes
    assert text_of(drawn[1], ("assistant",)) == document_of(drawn[1]) == "1.2.1. Raising\nShort Raise layer.\nSee this."
    assert drawn[1].provenance["instruction"].find("“this”") > 0 and drawn[1].objects[0].label == "this"
    (shown,) = (one for one in drawn[0].objects if one.label == "A list of layers")
    x1, y1, x2, y2 = map(round, shown.box)
    pixels = np.asarray(open_image(drawn[0].images[0]), int)
    assert (pixels[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] == 90).all() and (x2 - x1, y2 - y1) == (64, 64)
    code = DrawPage(widths=(500,), heights=(900,), most_lines=40, answer="html").change(rows[1])
    assert code_of(code) == code_of(rows[1]).strip()
    with pytest.raises(VL2Error, match="shows a part"):
        DrawPage(widths=(500,), heights=(300,), most_lines=5, answer="html").change(rows[0])


@pytest.mark.skipif(not GIMP.is_dir(), reason="gimp-help-en is not installed")
def test_the_manual_of_gimp_is_read():
    rows = open_source(Source(name="gimp", format="manual", path=str(GIMP)))
    found = [rows[number] for number in range(0, len(rows), len(rows) // 40)]
    samples = [row for row in found if isinstance(row, Sample)]
    assert len(samples) > 30 and sum(bool(row.images) for row in samples) > 15
    assert {row.reason for row in found if isinstance(row, Fault)} <= {"a section without text"}
