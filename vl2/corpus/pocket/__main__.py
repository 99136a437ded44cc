"""Write pocket shards: python -m vl2.corpus.pocket OUT --task NAME|all --num N --seed S --split train."""

from __future__ import annotations

import argparse

from vl2.corpus.pocket.draw import TASKS
from vl2.corpus.pocket.shards import DEFAULT_SHARD_SIZE, write_shards


def main() -> None:
    """Parse the command line and write the shards."""
    parser = argparse.ArgumentParser(prog="python -m vl2.corpus.pocket", description="Write pocket corpus shards.")
    parser.add_argument("out")
    parser.add_argument("--task", choices=[*TASKS, "all"], default="all")
    parser.add_argument("--num", type=int, default=DEFAULT_SHARD_SIZE, help="samples a task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=["train", "heldout"], default="train")
    parser.add_argument("--shard-size", type=int, default=DEFAULT_SHARD_SIZE)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for task in TASKS if options.task == "all" else [options.task]:
        shards = write_shards(
            options.out, task, options.num, seed=options.seed, split=options.split, shard_size=options.shard_size,
            workers=options.workers,
        )  # fmt: skip
        print(f"{task}: {len(shards)} shards")


if __name__ == "__main__":
    main()
