"""Time llama.cpp on one GGUF file: prefill, and decoding behind a context; flash attention off, batch 1.

Needs llama-cpp-python, nothing of vl2. Started by `vl2 bench --peer PYTHON:GGUF_DIR`, it answers requests on stdin, one
JSON object a line, with timings on stdout. By itself: `PEER_PYTHON bench/peer_llama_cpp.py FILE --context 700,1500`
prints one JSON object with medians. Token ids are random and nothing is sampled, as in the peer's own bench.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import json
import random
import resource
import statistics
import sys
import time
from pathlib import Path

import llama_cpp

CONTEXT_TOKENS = 4096
BATCH_TOKENS = 2048
DECODED, REPETITIONS = 64, 5


class Peer:
    """A model and one context, reading one sequence."""

    def __init__(self, path: Path, threads: int, ubatch: int) -> None:
        llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        settings.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE  # a mapped file loses its pages when memory runs short
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), settings)
        if not self.model:
            raise SystemExit(f"{path}: llama.cpp cannot load it")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = CONTEXT_TOKENS, BATCH_TOKENS, ubatch
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit(f"{path}: llama.cpp makes no context for it")
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.held = 0  # tokens of the context that stand in the cache

    def prefill(self, count: int) -> float:
        """Return the seconds to read `count` tokens from an empty cache."""
        self._forget()
        ids = self._random(count)
        start = time.perf_counter()
        self._read(ids, at_once=BATCH_TOKENS)
        return time.perf_counter() - start

    def decode(self, context: int, count: int) -> float:
        """Return the seconds to read `count` tokens one by one behind `context` others."""
        if self.held != context:
            self._forget()
            self._read(self._random(context), at_once=BATCH_TOKENS)
            self.held = context
        ids = self._random(count)
        start = time.perf_counter()
        self._read(ids, at_once=1)
        seconds = time.perf_counter() - start
        llama_cpp.llama_memory_seq_rm(self.memory, 0, context, -1)  # back to where decoding began
        return seconds

    def _forget(self) -> None:
        llama_cpp.llama_memory_clear(self.memory, True)
        self.held = 0

    def _random(self, count: int) -> list[int]:
        return [random.randrange(self.vocab_size) for _ in range(count)]

    def _read(self, ids: list[int], at_once: int) -> None:
        """Run tokens up to the logits of the last of each call."""
        for start in range(0, len(ids), at_once):
            piece = ids[start : start + at_once]
            tokens = (llama_cpp.llama_token * len(piece))(*piece)
            if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(tokens, len(piece))):
                raise SystemExit("llama_decode failed")
            llama_cpp.llama_synchronize(self.context)


@llama_cpp.llama_log_callback
def _SILENT(level: int, text: bytes, user_data: object) -> None:  # noqa: N802 - kept alive under this name
    if level == ERROR_LEVEL:
        sys.stderr.write(text.decode(errors="replace"))


ERROR_LEVEL = 4  # GGML_LOG_LEVEL_ERROR


def disk_reads() -> int:
    """Return how often this process had to wait for a page from disk."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def answer_requests(peer: Peer, name: str) -> None:
    """Answer one request a line until the input ends."""
    versions = {"llama-cpp-python": importlib.metadata.version("llama-cpp-python")}
    info = llama_cpp.llama_print_system_info().decode().strip()
    print(json.dumps({"path": f"llama.cpp, {name}", "versions": versions | {"system": info}}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        cpu, faults = time.process_time(), disk_reads()
        if request["what"] == "prefill":
            seconds = peer.prefill(request["amount"])
        elif request["what"] == "decode" and request["batch"] == 1:
            seconds = peer.decode(request["context"], request["amount"])
        else:
            raise SystemExit(f"the peer does not do this: {request}")
        reply = {"seconds": seconds, "cpu_s": time.process_time() - cpu, "disk_reads": disk_reads() - faults}
        print(json.dumps(reply), flush=True)


def measure_alone(peer: Peer, contexts: list[int]) -> dict[str, dict[str, float | list[float]]]:
    """Return tokens a second of each kind of work: the median and all samples. One sample more warms up."""
    rows: dict[str, dict[str, float | list[float]]] = {}
    for context in contexts:
        pp = [context / peer.prefill(context) for _ in range(REPETITIONS + 1)][1:]
        tg = [DECODED / peer.decode(context, DECODED) for _ in range(REPETITIONS + 1)][1:]
        for name, samples in ((f"prefill {context}", pp), (f"decode at {context}", tg)):
            rows[name] = {"median": statistics.median(samples), "samples": samples}
    return rows


def main() -> None:
    """Serve requests, or measure by itself when contexts are given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ubatch", type=int, default=512, help="512 is the peer's default")
    parser.add_argument("--context", default="", help="comma-separated: measure without requests")
    arguments = parser.parse_args()
    peer = Peer(arguments.file, arguments.threads, arguments.ubatch)
    if arguments.context:
        print(json.dumps(measure_alone(peer, [int(word) for word in arguments.context.split(",")]), indent=1))
    else:
        answer_requests(peer, arguments.file.stem)


if __name__ == "__main__":
    main()
