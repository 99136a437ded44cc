"""Attack a server: thousands of broken bodies and images; nothing may break, and its memory must come back.

Starts `vl2 serve` in a process of its own. Bodies are sound ones with values, keys or bytes exchanged; images are
those of tests/processor/test_hostile_images.py. Prints the statuses, and the resident memory before and after.
Usage: `python bench/serve_fuzz.py [--bodies 20000] [--images 2000]`, from the repository's root.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import copy
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from served import resident_mb, serving

sys.path.insert(0, ".")
from tests.processor.test_hostile_images import hostile_files

AT_ONCE = 16
TIDY_S = 12  # the server returns freed memory every ten seconds
PATHS = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": [
        {"type": "text", "text": "Hello."}]}], "max_tokens": 2, "temperature": 0.5, "stop": ["a"], "seed": 1, "n": 1,
        "stream": False, "logprobs": True, "top_logprobs": 1, "response_format": {"type": "text"},
        "vl2": {"boxes": "unit"}},
    "/v1/responses": {"input": [{"role": "user", "content": "Hello."}], "max_output_tokens": 2, "stream": False,
                      "text": {"format": {"type": "text"}}, "instructions": "Be kind."},
    "/v1/detect": {"image_url": {"url": "IMAGE"}, "object": "red circle", "max_tokens": 2},
    "/v1/caption": {"image_url": "IMAGE", "length": "short", "max_tokens": 2},
    "/v1/tiles": {"images": [{"width": 10, "height": 20}], "max_tiles": 3},
}  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**64, 1e308, -0.0, "", "a", "\0", "\ud800", "<|User|>", "<image>", "𝕏" * 50,
    [], {}, [[]], [None], {"a": {}}, [1] * 50, "a" * 5000, {"type": "json_schema"}, "data:image/png;base64,",
    "file:///etc/passwd", "http://127.0.0.1/",
)  # fmt: skip


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Return where something stands in a body."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def changed(body: Any, rng: random.Random) -> bytes:
    """Return a body with something exchanged, removed, added, cut or flipped."""
    body = copy.deepcopy(body)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        *parents, last = rng.choice([place for place in places(body) if place] or [("x",)])
        owner = body
        for key in parents:
            owner = owner[key]
        value = copy.deepcopy(rng.choice(VALUES))
        if rng.random() < 0.15 and isinstance(owner, dict):
            owner[rng.choice(("extra", "model", "tools", "", "\0", "vl2"))] = value
        elif rng.random() < 0.15 and isinstance(owner, dict) and last in owner:
            del owner[last]
        elif isinstance(owner, dict) or (isinstance(owner, list) and isinstance(last, int) and last < len(owner)):
            owner[last] = value
    data = bytearray(json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass"))
    if rng.random() < 0.15 and data:
        at = rng.randrange(len(data))
        data[at : at + rng.randrange(3)] = rng.choice((b"", b"\xff", b"[" * 5000, b"\0", b'"', b"1e999", b"NaN"))
    return bytes(data)


def bodies(count: int, image: str) -> list[tuple[str, bytes]]:
    """Return paths and broken bodies."""
    rng = random.Random(0)
    sound = {path: json.loads(json.dumps(body).replace("IMAGE", image)) for path, body in PATHS.items()}
    return [(path := rng.choice(list(sound)), changed(sound[path], rng)) for _ in range(count)]


def image_bodies(count: int) -> list[tuple[str, bytes]]:
    """Return broken images as data URLs."""
    found = []
    for _, data in list(hostile_files())[:count]:
        url = "data:image/png;base64," + base64.b64encode(data).decode()
        found.append(("/v1/caption", json.dumps({"image_url": url, "length": "short", "max_tokens": 2}).encode()))
    return found


async def send(address: str, requests: list[tuple[str, bytes]]) -> Counter[str]:
    """Return how often each status came."""
    found: Counter[str] = Counter()
    queue = requests[::-1]
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=httpx.Limits(max_connections=AT_ONCE)) as client:

        async def work() -> None:
            while queue:
                path, body = queue.pop()
                try:
                    answer = await client.post(path, content=body, headers={"Content-Type": "application/json"})
                    found[str(answer.status_code)] += 1
                except httpx.HTTPError as error:
                    found[type(error).__name__] += 1

        await asyncio.gather(*[work() for _ in range(AT_ONCE)])
    return found


def main() -> int:
    """Return 0 when nothing broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=20_000)
    parser.add_argument("--images", type=int, default=2000)
    arguments = parser.parse_args()
    with serving() as (server, address):
        picture = "data:image/png;base64," + base64.b64encode(Path("examples/sign.png").read_bytes()).decode()
        broken = bodies(arguments.bodies, picture)
        asyncio.run(send(address, broken[:2000] + image_bodies(arguments.images)))  # caches are full
        time.sleep(TIDY_S)
        before = resident_mb(server.pid)
        started = time.perf_counter()
        statuses = {"bodies": asyncio.run(send(address, broken))}
        statuses["images"] = asyncio.run(send(address, image_bodies(arguments.images)))
        seconds = time.perf_counter() - started
        time.sleep(TIDY_S)
        after, is_well = resident_mb(server.pid), httpx.get(f"{address}/health").status_code == 200
    counts = {name: dict(sorted(found.items())) for name, found in statuses.items()}
    bad = sum(count for found in statuses.values() for status, count in found.items() if status[:1] not in "24")
    code = server.returncode
    print(json.dumps({**counts, "broken": bad, "seconds": round(seconds, 1), "resident_before_mb": before,
                      "resident_after_mb": after, "healthy": is_well, "exit_code": code}, indent=1))  # fmt: skip
    return 1 if bad or not is_well or code else 0


if __name__ == "__main__":
    raise SystemExit(main())
