"""What a parity run found, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from vl2.evaluation.parity.compare import StageResult


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """The results of one recorded directory."""

    name: str
    results: tuple[StageResult, ...]
    informational: tuple[str, ...]  # recorded entries that are only for the reader
    forgotten: tuple[str, ...]  # recorded entries that no stage compares; there must be none
    seconds: float

    @property
    def is_ok(self) -> bool:
        """Tell whether all stages agree and nothing recorded was left out."""
        return bool(self.results) and not self.forgotten and all(result.is_ok for result in self.results)

    @property
    def failures(self) -> tuple[StageResult, ...]:
        """Return the results outside their bounds."""
        return tuple(result for result in self.results if not result.is_ok)

    def by_stage(self) -> dict[str, list[StageResult]]:
        """Return the results of each stage, in the order of the run."""
        stages: dict[str, list[StageResult]] = {}
        for result in self.results:
            stages.setdefault(result.stage, []).append(result)
        return stages

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {
            "name": self.name,
            "is_ok": self.is_ok,
            "seconds": round(self.seconds, 1),
            "stages": {stage: _summary(results) for stage, results in self.by_stage().items()},
            "failures": [asdict(result) for result in self.failures],
            "informational": list(self.informational),
            "forgotten": list(self.forgotten),
        }

    def table(self) -> Table:
        """Return one line a stage, and one for each failure below it."""
        table = Table(title=f"{self.name}: {'equal' if self.is_ok else 'DIFFERENT'} in {self.seconds:.0f} s")
        for name in ("stage", "cases", "compared", "worst", "bound", ""):
            table.add_column(name, justify="left" if name in ("stage", "") else "right")
        for stage, results in self.by_stage().items():
            line = _summary(results)
            table.add_row(
                stage,
                str(line["num_cases"]),
                str(line["num_compared"]),
                f"{line['worst']:.2g}",
                f"{line['bound']:g}",
                "ok" if line["is_ok"] else "DIFFERS",
            )
            for result in results:
                if not result.is_ok:
                    table.add_row(f"  {result.case} {result.note}", "", str(result.num_compared), f"{result.worst:.2g}")
        for name in self.forgotten:
            table.add_row(f"recorded, not compared: {name}", "", "", "", "", "DIFFERS")
        if self.informational:
            table.caption = "only informational: " + ", ".join(self.informational)
        return table


def _summary(results: list[StageResult]) -> dict[str, Any]:
    """Return one stage over all its cases."""
    return {
        "num_cases": len({result.case for result in results}),
        "num_compared": sum(result.num_compared for result in results),
        "worst": max(result.worst for result in results),
        "bound": results[0].bound,
        "is_ok": all(result.is_ok for result in results),
    }
