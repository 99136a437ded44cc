"""A page of strangers shows its own words and nothing of this machine; scripts and addresses do nothing."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.corpus.sandbox import page
from vl2.corpus.sandbox.page import find_browser, show_page, visible_text
from vl2.processor import open_image

NEEDS_BROWSER = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")


@NEEDS_BROWSER
def test_a_hostile_page_reaches_nothing(tmp_path):
    secret = tmp_path / "secret.html"
    secret.write_text("<body style='background:#f00'>SECRET</body>")
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    far = f"http://127.0.0.1:{server.server_address[1]}"
    html = f"""<html><head><meta http-equiv="refresh" content="0;url=file://{secret}">
    <link rel="stylesheet" href="{far}/style.css"><style>@import url({far}/import.css); body {{background: #fff
    url({far}/back.png)}} @font-face {{font-family: x; src: url({far}/font.woff)}} p {{font-family: x}}</style></head>
    <body onload="fetch('{far}/onload')"><p>Only this.</p><img src="{far}/image.png"><img src="file://{secret}">
    <iframe src="file://{secret}"></iframe><iframe src="{far}/frame"></iframe><object data="file://{secret}"></object>
    <embed src="{far}/embed"><script>document.body.innerText = 'CHANGED'; fetch('{far}/script');
    location = 'file://{secret}'</script><svg><image href="{far}/svg.png"/></svg></body></html>"""
    try:
        shown = show_page(html, (320, 240))
    finally:
        server.shutdown()
        server.server_close()
    assert shown.text == "Only this." and not asked
    levels = np.asarray(open_image(ImageSource(data=shown.picture)), int)
    assert levels.shape == (240, 320, 3)
    assert not ((levels[..., 0] > 200) & (levels[..., 1] < 80)).any()  # nothing of the red page


def test_words_that_can_be_seen():
    html = """<title>no</title><style>no</style><p>One<br>two &amp; three</p></style><script>no</script>
    <svg><text>no</text></svg><div>four<noscript>no</noscript></div><template>no</template>\ud800"""
    assert visible_text(html) == "One two & three four"
    assert visible_text("<p>a<script>b") == "a" and visible_text("") == ""


def test_what_cannot_be_shown_is_an_error(monkeypatch):
    monkeypatch.setattr(page, "find_browser", lambda: None)
    with pytest.raises(VL2Error, match="no Chromium"):
        show_page("<p>a")
    monkeypatch.setattr(page, "find_browser", lambda: "/bin/false")
    with pytest.raises(VL2Error, match="shows nothing"):
        show_page("<p>a")
    with pytest.raises(VL2Error, match="too long"):
        show_page("a" * (page.MOST_HTML + 1))
