"""A full disk and a damaged shard end a run in one clear line; afterwards it goes on to the same bytes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.corpus.run.sources import contents
from tests.corpus.run.test_run import recipe_in, run
from vl2.core.errors import VL2Error
from vl2.corpus.manifest import INCOMPLETE, MANIFEST, RECEIPTS


@pytest.fixture(scope="module")
def whole(sources, tmp_path_factory):
    """Return what an undisturbed run leaves."""
    return contents(run(recipe_in(tmp_path_factory.mktemp("whole"), sources)))


@pytest.mark.parametrize("fails_at", [1, 4, 9])
def test_a_full_disk_ends_the_run_and_leaves_nothing_half(whole, sources, tmp_path, monkeypatch, fails_at):
    recipe, written = recipe_in(tmp_path, sources), []

    def write_bytes(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) >= fails_at:
            path.open("wb").write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with path.open("wb") as stream:
            return stream.write(data)

    with monkeypatch.context() as patched, pytest.raises(VL2Error, match="No space left") as told:
        patched.setattr(Path, "write_bytes", write_bytes)
        run(recipe)
    assert "\n" not in str(told.value) and not list((tmp_path / "run").rglob(f"*{INCOMPLETE}"))
    assert contents(run(recipe)) == whole


def test_a_damaged_shard_between_runs_is_named_and_made_again(whole, sources, tmp_path):
    recipe = recipe_in(tmp_path, sources)
    out = run(recipe)
    before, after = out / "stage-0", out / "stage-1"
    shard = before / "00000001.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    (after / MANIFEST).unlink()
    (after / RECEIPTS / "00000001.json").unlink()
    with pytest.raises(VL2Error, match=r"00000001\.tar.* is damaged.*Remove"):
        run(recipe)
    (before / MANIFEST).unlink()
    (before / RECEIPTS / "00000001.json").unlink()
    assert contents(run(recipe)) == whole
