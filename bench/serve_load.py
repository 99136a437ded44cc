"""Load a server on loopback: many clients at once, texts and images mixed, some of whom hang up midway.

Starts `vl2 serve` in a process of its own, asks each question alone first, then all of them from many clients, and
compares. Prints requests lost and mixed up, what the engine still holds afterwards, times to the first token, and
tokens a second against those of one client.
Usage: `python bench/serve_load.py [--clients 200] [--requests 2000] [--out FILE]`, from the repository's root.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import statistics
import time
from pathlib import Path
from typing import Any

import httpx
from served import resident_mb, serving

EXAMPLES = Path("examples")
HANG_UP_SHARE = 0.2
TEXTS = ("Hello.", "What can you do?", "What is this?")
PICTURES = {
    "sign.png": ("Read the text.", "Describe the picture.", "Describe the picture in detail."),
    "shapes.png": ("Describe the picture.", "<|ref|>blue house<|/ref|>", "How many circles are there?"),
    "receipt.png": ("What is the price of Cake?", "Read the text.", "Describe the picture in detail."),
}


def questions() -> list[list[dict[str, Any]]]:
    """Return conversations of one turn."""
    found: list[list[dict[str, Any]]] = [[{"role": "user", "content": text}] for text in TEXTS]
    for name, asked in PICTURES.items():
        data = base64.b64encode((EXAMPLES / name).read_bytes()).decode()
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        found += [[{"role": "user", "content": [image, {"type": "text", "text": text}]}] for text in asked]
    return found


async def ask(client: httpx.AsyncClient, messages: list[dict[str, Any]], hang_up_after: int | None) -> dict[str, Any]:
    """Stream one answer; leave after some pieces when told to."""
    body = {"messages": messages, "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 64}
    started, first, text, num_tokens, pieces = time.perf_counter(), 0.0, "", 0, 0
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        if answer.status_code != 200:
            return {"status": answer.status_code}
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                return {"status": chunk["error"]["code"]}
            num_tokens = (chunk.get("usage") or {}).get("completion_tokens", num_tokens)
            piece = chunk["choices"][0]["delta"].get("content", "") if chunk["choices"] else ""
            if piece:
                first = first or time.perf_counter() - started
                text, pieces = text + piece, pieces + 1
            if hang_up_after is not None and pieces > hang_up_after:
                return {"status": "left", "text": text}
    return {"status": 200, "text": text, "tokens": num_tokens, "first_s": first}


async def load(address: str, num_clients: int, num_requests: int) -> dict[str, Any]:
    """Ask alone, then all at once."""
    asked, rng = questions(), random.Random(0)
    limits = httpx.Limits(max_connections=num_clients)
    async with httpx.AsyncClient(base_url=address, timeout=600, limits=limits) as client:
        alone = [await ask(client, messages, None) for messages in asked]  # the first ones pay for what is made once
        started = time.perf_counter()
        alone = [await ask(client, messages, None) for messages in asked for _ in range(3)][::3]
        one_client = 3 * sum(one["tokens"] for one in alone) / (time.perf_counter() - started)
        plan = [(rng.randrange(len(asked)), rng.randrange(8) if rng.random() < HANG_UP_SHARE else None)
                for _ in range(num_requests)]  # fmt: skip
        queue = list(enumerate(plan))[::-1]
        found: dict[int, dict[str, Any]] = {}

        async def work() -> None:
            while queue:
                number, (which, hang_up_after) = queue.pop()
                try:
                    found[number] = await ask(client, asked[which], hang_up_after)
                except httpx.HTTPError as error:
                    found[number] = {"status": type(error).__name__}

        started = time.perf_counter()
        await asyncio.gather(*[work() for _ in range(num_clients)])
        seconds = time.perf_counter() - started
        await asyncio.sleep(1)
        stats = (await client.get("/v1/cache/stats")).json()
    return {**compare(plan, found, alone), "seconds": seconds, "one_client_tokens_per_s": one_client,
            "tokens_per_s": sum(one.get("tokens", 0) for one in found.values()) / seconds,
            "blocks_used_after": stats["cache_blocks_used"], "running_after": stats["running_requests"],
            "waiting_after": stats["waiting_requests"], "preemptions": stats["preemptions"]}  # fmt: skip


def compare(
    plan: list[tuple[int, int | None]], found: dict[int, dict[str, Any]], alone: list[dict[str, Any]]
) -> dict[str, Any]:
    """Hold every answer against the one that was given alone; of those that were left, the beginning."""
    whole = [number for number, one in found.items() if one["status"] == 200]
    left = [number for number, one in found.items() if one["status"] == "left"]
    wrong = [n for n in whole if found[n]["text"] != alone[plan[n][0]]["text"]]
    wrong += [n for n in left if not alone[plan[n][0]]["text"].startswith(found[n]["text"])]
    statuses = [str(one["status"]) for one in found.values()]
    firsts = sorted(found[number]["first_s"] for number in whole)
    return {
        "requests": len(plan), "whole": len(whole), "left": len(left), "lost": len(plan) - len(whole) - len(left),
        "other_statuses": sorted(set(statuses) - {"200", "left"}), "mixed_up": len(wrong),
        "first_token_p50_s": statistics.median(firsts), "first_token_p95_s": firsts[int(len(firsts) * 0.95)],
    }  # fmt: skip


def main() -> int:
    """Return 0 when nothing was lost, mixed up or left behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with serving() as (server, address):
        found = asyncio.run(load(address, arguments.clients, arguments.requests))
        own, ticks = os.times(), Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        found["client_cpu_s"] = own.user + own.system
        found["server_cpu_s"] = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
        found["resident_mb"] = resident_mb(server.pid)
    found = {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}
    text = json.dumps({**found, "exit_code": server.returncode}, indent=1)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    left = found["lost"] + found["mixed_up"] + found["blocks_used_after"] + found["running_after"]
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
