"""Shards are the same for any number of workers, and writing goes on where it stopped."""

import json
import tarfile
from pathlib import Path

from vl2.core.sample import sample_to_dict
from vl2.corpus.pocket import draw, write_shards
from vl2.corpus.pocket.build import build_corpus

NUM, SHARD_SIZE, SEED = 7, 3, 5


def write(folder: Path, workers: int) -> list[Path]:
    return write_shards(folder, "compare", NUM, seed=SEED, split="train", shard_size=SHARD_SIZE, workers=workers)


def test_shards_do_not_depend_on_workers(tmp_path: Path) -> None:
    alone, together = write(tmp_path / "one", 1), write(tmp_path / "two", 2)
    assert [path.name for path in alone] == ["000000.tar", "000001.tar", "000002.tar"]
    assert [path.read_bytes() for path in alone] == [path.read_bytes() for path in together]


def test_finished_shards_are_kept_and_missing_ones_written(tmp_path: Path) -> None:
    first, second, third = write(tmp_path, 1)
    expected = second.read_bytes()
    first.write_bytes(b"kept")
    second.unlink()
    third.with_name(third.name + ".incomplete").write_bytes(b"half")
    third.unlink()
    write(tmp_path, 1)
    assert first.read_bytes() == b"kept"
    assert second.read_bytes() == expected
    assert sorted(path.suffix for path in first.parent.iterdir()) == [".tar"] * 3


def test_held_out_questions_are_drawn_alone(tmp_path: Path) -> None:
    recipe = Path(__file__).parents[3] / "recipes" / "pocket" / "corpus.yaml"
    out = build_corpus(recipe, [f"out={tmp_path}/x", "train={}", "heldout={marks: 2}"], 1)
    assert [path.name for path in (out / "heldout").iterdir()] == ["marks"]
    assert (out / "data" / "figures.txt").is_file()


def test_shards_hold_records_and_images(tmp_path: Path) -> None:
    with tarfile.open(write(tmp_path, 1)[0]) as archive:
        names = archive.getnames()
        sample = draw("compare", "train", SEED, 0)
        assert names[:3] == [f"{sample.id}.json", f"{sample.id}.0.png", f"{sample.id}.1.png"]
        assert json.load(archive.extractfile(names[0])) == json.loads(json.dumps(sample_to_dict(sample)))
        assert archive.extractfile(names[1]).read() == sample.images[0].data
