"""A run that is killed again and again pays its teacher once: only what was under way is asked again.

VL2_KILLS=20 for as many kills as the goal speaks of; the calls are at most 1.01 of one pass.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import yaml
from typer.testing import CliRunner

from tests.corpus.run.sources import contents
from tests.corpus.teacher.server import serving
from vl2.cli import app

KILLS = int(os.environ.get("VL2_KILLS", "1"))
ROWS_A_KILL = 200
WORKERS, CONCURRENCY = 2, 1  # so many requests are under way at most
MOST_CALLS = 1.01  # of one pass


def write_run(folder, address: str, num_rows: int) -> list[str]:
    """Write rows, a recipe that has every text graded, and its service file; return the words of the command."""
    folder.mkdir(parents=True)
    turns = [[{"from": "human", "value": "Say more."}, {"from": "gpt", "value": f"Text of row {n}."}]
             for n in range(num_rows)]  # fmt: skip
    lines = [json.dumps({"id": str(n), "conversations": told}) for n, told in enumerate(turns)]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    service = {"kind": "url", "url": address, "cache": str(folder / "cache"), "concurrency": CONCURRENCY}
    (folder / "service.yaml").write_text(yaml.safe_dump(service))
    step = {"use": "writing", "service": str(folder / "service.yaml"), "sampling": {"model": "pocket"}}
    recipe = {"out": str(folder / "run"), "sources": [{"name": "rows", "path": str(folder / "rows.jsonl")}],
              "steps": [step], "block_rows": 50}  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return ["corpus", "run", str(folder / "recipe.yaml")]


def shards_of(folder, words: list[str]) -> dict[str, bytes]:
    """Run to the end in this process; return what was written."""
    ended = CliRunner().invoke(app, [*words, "--workers", "1"])
    assert ended.exit_code == 0, ended.output
    return {name: data for name, data in contents(folder / "run" / "webdataset").items() if name.endswith(".tar")}


def test_a_killed_run_never_pays_twice(tmp_path):
    num_rows = ROWS_A_KILL * KILLS
    dice = random.Random(7)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    with serving() as server:
        server.say, server.delay_s = "8", 0.002
        words = write_run(killed, server.address, num_rows)
        command = [sys.executable, "-c", "from vl2.cli import main; main()", *words, "--workers", str(WORKERS)]
        for _ in range(KILLS):
            stop_at = len(server.asked) + dice.randint(ROWS_A_KILL // 4, 3 * ROWS_A_KILL // 4)
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
            while len(server.asked) < stop_at and process.poll() is None:
                time.sleep(0.001)
            os.killpg(process.pid, signal.SIGKILL)  # its workers with it
            process.wait()
        assert len(server.asked) < num_rows
        shards = shards_of(killed, words)
        asked = len(server.asked)
        assert len({body["messages"][-1]["content"] for body in server.asked}) == num_rows
        assert asked <= num_rows + KILLS * WORKERS * CONCURRENCY and asked <= MOST_CALLS * num_rows
        assert shards_of(killed, words) == shards and len(server.asked) == asked
        assert shards_of(whole, write_run(whole, server.address, num_rows)) == shards
    print(f"{KILLS} kills: {asked} calls for {num_rows} rows, {asked / num_rows:.4f} of one pass")
