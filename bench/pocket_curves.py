"""Draw the learning curves of pocket's runs: `python bench/pocket_curves.py runs/pocket OUT.png OUT.csv`.

Needs matplotlib (`pip install vl2[pocket]`). The smoothed points go into the CSV file.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

RUNS = ("warmup_vision", "warmup_language", "align", "pretrain", "sft", "sft_again")
CURVES = {
    "letters right (share of letter slots)": "characters",
    "figures right (share of figure patches)": "figures",
    "next-token loss (nats a supervised token)": "text",
    "coordinate loss (nats a number)": "coordinate",
}
SMOOTHED = 5  # log lines a point


def points(root: Path) -> list[dict[str, float | str]]:
    """Return smoothed log lines of all runs, with the pictures seen so far."""
    rows, before = [], 0
    for run in RUNS:
        path = root / run / "log.jsonl"
        if not path.is_file():
            continue
        by_step = {line["step"]: line for line in map(json.loads, path.read_text().splitlines())}
        lines = list(by_step.values())  # a resumed run logs the steps after its checkpoint again
        for start in range(0, len(lines), SMOOTHED):
            group = lines[start : start + SMOOTHED]
            row: dict[str, float | str] = {"run": run, "pictures": before + group[-1]["samples"]}
            for name in ("characters", "figures", "text"):
                if name in group[0]:
                    row[name] = sum(line[name] for line in group) / len(group)
            numbers = sum(line.get("num_coordinates", 0) for line in group)
            if numbers:
                row["coordinate"] = sum(line["coordinates"] for line in group) / numbers
            rows.append(row)
        before += lines[-1]["samples"]
    return rows


def main() -> None:
    """Draw one panel a curve."""
    root, out, table = map(Path, sys.argv[1:4])
    rows = points(root)
    figure, panels = pyplot.subplots(2, 2, figsize=(10, 6), layout="constrained")
    for panel, (title, name) in zip(panels.flat, CURVES.items(), strict=True):
        for run in RUNS:
            own = [row for row in rows if row["run"] == run and name in row]
            panel.plot([row["pictures"] / 1000 for row in own], [row[name] for row in own], label=run)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("pictures seen, thousands", fontsize=9)
        panel.grid(alpha=0.3)
    panels[0, 0].legend(fontsize=8)
    figure.savefig(out, dpi=110)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["run", "pictures", "characters", "figures", "text", "coordinate"])
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows)


if __name__ == "__main__":
    main()
