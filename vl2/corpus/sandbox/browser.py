"""Browser: one Chromium that is kept from page to page, spoken to through two pipes (Chrome DevTools Protocol).

It opens no port and knows no host. What a page asks for is answered here: the page itself, and nothing else. It ends
when its pipe does, and so with this process, also when that is killed.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vl2.core.errors import VL2Error

MOST_PAGES = 200  # that one browser shows: what it leaks does not grow for hours
MOST_MESSAGE = 64 << 20  # bytes
_PAGE = "http://page.invalid/"
_BLANK = "about:blank"
_FAST = 1000  # how much faster animations run: what fades in is there at once
_AS_ROOT = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium's own does not work for root
_FLAGS = ("--headless=new", "--disable-gpu", "--hide-scrollbars", "--mute-audio", "--disable-dev-shm-usage",
          "--disable-extensions", "--no-first-run", "--disable-background-networking", "--force-device-scale-factor=1",
          "--host-resolver-rules=MAP * ~NOTFOUND", "--renderer-process-limit=1", "--process-per-site",
          "--remote-debugging-pipe")  # fmt: skip
# Chromium reads from 3 and writes to 4. The shell outlives it, and so clears up after a killed parent, too.
_START = 'place="$1"; shift; "$@" 3</proc/self/fd/"$IN" 4>/proc/self/fd/"$OUT"; rm -rf "$place"'


class BrowserEndedError(VL2Error):
    """A browser that ends while it shows a page."""

    def __init__(self) -> None:
        super().__init__("page", "the browser shows nothing")


@dataclass(frozen=True, kw_only=True)
class Loading:
    """A page, how it is shown, and what is asked of it when it is there."""

    html: str
    policy: str  # Content-Security-Policy
    size: tuple[int, int]  # of the window, in pixels
    look: str = "null"  # JavaScript of ours, apart from the page's own world; `height` in its result cuts the picture
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Loaded:
    """What became of a page: a PNG, its HTML as it stands, and what the look found."""

    picture: bytes
    markup: str
    found: Any


def load_page(browser: str, loading: Loading) -> Loaded:
    """Show a page in the browser of this process, which is started when there is none.

    Raises VL2Error when the page takes too long, or when the browser ends twice on it.
    """
    try:
        return _warm(browser).load(loading)
    except BrowserEndedError:  # perhaps for lack of memory, or for an earlier page
        return _warm(browser).load(loading)


class Browser:
    """A running Chromium. One page at a time."""

    def __init__(self, path: str) -> None:
        self.path, self.owner, self.num_pages, self.is_open = path, os.getpid(), 0, True
        self._place = tempfile.mkdtemp(prefix="vl2-browser-")
        theirs_in, self._write = os.pipe()
        self._read, theirs_out = os.pipe()
        told = {**os.environ, "IN": str(theirs_in), "OUT": str(theirs_out)}
        command = ["sh", "-c", _START, "sh", self._place, path, *_AS_ROOT, *_FLAGS, f"--user-data-dir={self._place}"]
        self._process = subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), env=told, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._number, self._end = bytearray(), 0, 0.0
        self._tab: str | None = None

    def load(self, loading: Loading) -> Loaded:
        """Show a page in the one tab, from blank to it and back. Raises VL2Error; the browser is closed then."""
        self._end, self.num_pages = time.monotonic() + loading.timeout_s, self.num_pages + 1
        try:
            self._tab = self._tab or self._open_tab()
            found = self._load(loading, self._tab)
            self._send("Page.navigate", self._tab, url=_BLANK)  # what moves in the page would take time for ever
            return found
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the browser and everything that it started."""
        if not self.is_open or self.owner != os.getpid():  # a forked process has no say
            return
        self.is_open = False
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self._place, ignore_errors=True)

    def _open_tab(self) -> str:
        """Return the session of a tab where no script runs and every request is asked about. Made once: it is slow."""
        target = self._call("Target.createTarget", url=_BLANK)["targetId"]
        session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for method, told in (
            ("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}),
            ("Page.enable", {}),
            ("Page.setLifecycleEventsEnabled", {"enabled": True}),
            ("Emulation.setScriptExecutionDisabled", {"value": True}),
            ("Animation.enable", {}),
            ("Animation.setPlaybackRate", {"playbackRate": _FAST}),
        ):
            self._call(method, session, **told)
        return session

    def _load(self, loading: Loading, session: str) -> Loaded:
        width, height = loading.size
        window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", session, **window)
        frame = self._navigate(loading, session)
        node = self._call("DOM.getDocument", session, depth=0)["root"]["nodeId"]
        markup = self._call("DOM.getOuterHTML", session, nodeId=node)["outerHTML"]
        world = self._call("Page.createIsolatedWorld", session, frameId=frame)["executionContextId"]
        said = self._call("Runtime.evaluate", session, contextId=world, returnByValue=True, expression=loading.look)
        if "exceptionDetails" in said:
            raise VL2Error("page", "cannot be looked at", got=str(said["exceptionDetails"].get("exception"))[:200])
        found = said["result"].get("value")
        shown = found["height"] if isinstance(found, dict) and "height" in found else height
        clip = {"x": 0, "y": 0, "width": width, "height": shown, "scale": 1}
        if isinstance(found, dict):
            clip["y"] = found["scrolled"]  # a clip counts from the top of the page
        told = self._call("Page.captureScreenshot", session, format="png", clip=clip)
        return Loaded(base64.b64decode(told["data"]), markup, found)

    def _navigate(self, loading: Loading, session: str) -> str:
        """Go to the page, and answer what it asks for until it is there. Return its frame."""
        number, loader = self._send("Page.navigate", session, url=_PAGE), None
        while True:
            told = self._receive()
            if told.get("id") == number:
                loader = told.get("result", {}).get("loaderId")
                if loader is None:
                    raise BrowserEndedError
            if told.get("method") == "Fetch.requestPaused":
                self._answer(loading, session, told["params"])
            if told.get("method") == "Page.lifecycleEvent":
                event = told["params"]  # of the blank page before, perhaps
                if event["name"] == "load" and event["loaderId"] == loader:
                    return str(event["frameId"])

    def _answer(self, loading: Loading, session: str, asked: dict[str, Any]) -> None:
        if asked["request"]["url"] != _PAGE or asked["resourceType"] != "Document":
            self._send("Fetch.failRequest", session, requestId=asked["requestId"], errorReason="Aborted")
            return
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": loading.policy}
        self._send(
            "Fetch.fulfillRequest", session, requestId=asked["requestId"], responseCode=200,
            responseHeaders=[{"name": name, "value": value} for name, value in headers.items()],
            body=base64.b64encode(loading.html.encode("utf-8", "replace")).decode(),
        )  # fmt: skip

    def _call(self, method: str, session: str | None = None, **params: Any) -> Any:
        number = self._send(method, session, **params)
        while True:
            told = self._receive()
            if told.get("id") == number:
                if "error" in told:
                    raise BrowserEndedError
                return told["result"]
            if told.get("method") == "Fetch.requestPaused":  # what a page asks for late
                request = told["params"]["requestId"]
                self._send("Fetch.failRequest", told["sessionId"], requestId=request, errorReason="Aborted")

    def _send(self, method: str, session: str | None = None, **params: Any) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        data = memoryview(json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        try:
            while data:
                self._wait(write=True)
                data = data[os.write(self._write, data[: select.PIPE_BUF]) :]
        except OSError:
            raise BrowserEndedError from None
        return self._number

    def _receive(self) -> dict[str, Any]:
        while (end := self._buffer.find(b"\0")) < 0:
            self._wait(write=False)
            more = os.read(self._read, 1 << 20)
            if not more:
                raise BrowserEndedError
            self._buffer += more
            if len(self._buffer) > MOST_MESSAGE:
                raise VL2Error("page", "the browser says too much")
        told = json.loads(self._buffer[:end])
        del self._buffer[: end + 1]
        return told

    def _wait(self, *, write: bool) -> None:
        left = max(0.0, self._end - time.monotonic())
        ready = select.select([], [self._write], [], left)[1] if write else select.select([self._read], [], [], left)[0]
        if not ready:
            raise VL2Error("page", "takes too long")


_kept: list[Browser] = []  # none or one


def _warm(path: str) -> Browser:
    """Return the browser of this process; another one after `MOST_PAGES`, a crash, or a fork."""
    if _kept:
        one = _kept[0]
        if one.is_open and one.owner == os.getpid() and one.path == path and one.num_pages < MOST_PAGES:
            return one
        close_browser()
    _kept.append(Browser(path))
    return _kept[0]


def close_browser() -> None:
    """End the browser of this process, if there is one."""
    while _kept:
        _kept.pop().close()


atexit.register(close_browser)
