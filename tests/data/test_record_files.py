"""Files are read piece by piece, at any place, and what an attacker packs into them stays there."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile

import pytest
from PIL import Image

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample
from vl2.data.records import files, json_rows, open_records, piece_cache, row, verify
from vl2.data.records.piece_cache import PieceCache
from vl2.data.records.tar_rows import TarRows


def record(number: int, **more: object) -> dict[str, object]:
    said = [{"from": "human", "value": f"Question {number}, für 東京?"}, {"from": "gpt", "value": "x" * number}]
    return {"id": str(number), "conversations": said, **more}


def ids(path) -> list[str]:
    return [found.id for found in open_records(str(path)).usable()]


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 3), (200, 0, 0)).save(out, "PNG")
    return out.getvalue()


NUMBERS = [str(number) for number in range(1, 40)]


@pytest.fixture
def records():
    return [record(int(number)) for number in NUMBERS]


def write(path, records, form):
    if form == "lines":
        path.write_text("\n\n".join(json.dumps(r, ensure_ascii=False) for r in records) + "\n \n", encoding="utf-8-sig")
    else:
        path.write_text(json.dumps(records, ensure_ascii=False, indent=2), encoding="utf-8")
    return path


@pytest.mark.parametrize("most_pieces", [1000, 4])
@pytest.mark.parametrize("form", ["lines", "array"])
@pytest.mark.parametrize("chunk", [1 << 20, 50])
def test_json_is_read_at_any_place(tmp_path, monkeypatch, records, form, most_pieces, chunk):
    monkeypatch.setattr(row, "MOST_PIECES", most_pieces)
    monkeypatch.setattr(json_rows, "_CHUNK", chunk)
    found = open_records(str(write(tmp_path / "a.json", records, form) if form == "array" else
                             write(tmp_path / "a.jsonl", records, form)))  # fmt: skip
    assert len(found) == len(records) and len(found.piece_rows) <= most_pieces
    assert [sample.id for sample in found.usable()] == NUMBERS
    assert found[17].id == "18" and found[38].messages[1].parts[0].text == "x" * 39
    with pytest.raises(IndexError):
        found[39]


def test_several_files_a_folder_a_pattern_and_gzip(tmp_path, records):
    write(tmp_path / "b.jsonl", records[20:], "lines")
    with gzip.open(tmp_path / "a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(map(json.dumps, records[:20])))
    (tmp_path / "notes.md").write_text("not records")
    assert ids(tmp_path) == NUMBERS
    assert ids(tmp_path / "*.jsonl*") == NUMBERS
    with pytest.raises(VL2Error, match="no records here"):
        open_records(str(tmp_path / "none.jsonl"))


def test_files_behind_a_url_bring_their_images(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/set/a.png", png())
    rows = [record(1, image="a.png"), record(2, image="../a.png"), record(3, image="/set/a.png"), record(4)]
    memory.pipe("/set/a.jsonl", "\n".join(map(json.dumps, rows)).encode())
    found = open_records("memory://set/a.jsonl")
    assert found[0].images == (ImageSource(data=png()),)
    assert [found[1].reason, found[2].reason] == ["an image path leaves its root"] * 2
    assert ids("memory://set") == ids("memory://set/*.jsonl") == ["1", "4"]


def test_a_long_line_is_skipped_without_being_read(tmp_path, monkeypatch):
    monkeypatch.setattr(json_rows, "MAX_ROW_BYTES", 1000)
    (tmp_path / "a.jsonl").write_text("\n".join([json.dumps(record(1)), '"' + "y" * 5000, json.dumps(record(2))]))
    assert ids(tmp_path) == ["1", "2"]
    assert verify(open_records(str(tmp_path))).skipped == {"a row is too long": 1}


@pytest.mark.parametrize("text", ['[{"a": 1}, 3]', '[{"a": 1}, {"b"', "[" + '{"a":' * 5000, '[{"a": 1} nonsense]'])
def test_a_broken_array_is_an_error_of_the_file(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(VL2Error, match=r"a\.json: (not a JSON array|an element is not an object)"):
        open_records(str(tmp_path / "a.json"))


def test_a_bomb_is_not_unpacked(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"\n" * (8 << 20)))
    with pytest.raises(VL2Error, match="unpacks to too much"):
        open_records(str(tmp_path / "a.jsonl.gz"))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"{}" * 1000)[:-20])
    with pytest.raises(VL2Error, match="cannot be decompressed"):
        open_records(str(tmp_path / "a.jsonl.gz"))


def test_opened_records_travel_to_other_processes(tmp_path, records):
    found = pickle.loads(pickle.dumps(open_records(str(write(tmp_path / "a.jsonl", records, "lines")))))
    assert found[5].id == "6"


def test_parquet_rows_with_images_as_structs(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [record(n, image={"bytes": png(), "path": "a.png"} if n % 2 else None) for n in range(1, 40)]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=9)
    found = open_records(str(tmp_path / "a.parquet"))
    assert found.piece_rows.tolist() == [9, 9, 9, 9, 3] and ids(tmp_path) == NUMBERS
    assert found[0].images == (ImageSource(data=png()),) and found[1].images == ()


def test_pieces_that_were_read_last_are_kept_within_bounds(monkeypatch):
    reads = []

    def read(piece: int) -> list[Sample]:
        reads.append(piece)
        return [Sample("s", (), images=(ImageSource(data=bytes(1000)),))] * 3

    monkeypatch.setattr(piece_cache, "CACHE_BYTES", 2 * 3 * (1000 + 4096))
    cache = PieceCache()
    for piece in (0, 0, 1, 0, 2, 0, 1):
        assert len(cache.get(piece, read)) == 3
    assert reads == [0, 1, 2, 1]
    pickle.loads(pickle.dumps(cache)).get(0, read)
    assert reads[-1] == 0


def test_parquet_that_is_too_large_or_damaged(tmp_path, monkeypatch):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.Table.from_pylist([record(n) for n in range(1, 40)]), path, row_group_size=20)
    data = bytearray(path.read_bytes())
    found = open_records(str(path))
    data[4:400] = bytes(396)
    path.write_bytes(data)
    broken = verify(found)
    assert broken.num_rows == 39 and broken.skipped == {"a damaged row group": 20}
    monkeypatch.setattr("vl2.data.records.parquet_rows.MAX_PIECE_BYTES", 100)
    with pytest.raises(VL2Error, match="a row group is too large"):
        open_records(str(path))
    path.write_bytes(b"PAR1 no")
    with pytest.raises(VL2Error, match="not Parquet"):
        open_records(str(path))


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(data), kind, link
    tar.addfile(member, io.BytesIO(data))


def test_webdataset_rows_in_the_order_of_their_images(tmp_path):
    long = "folder/" + "n" * 150
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        add(tar, "0001.jpg", b"first")
        add(tar, "0001.json", json.dumps(record(1, image="0001.jpg")).encode())
        add(tar, "0002.json", json.dumps(record(2)).encode())
        for number in (10, 2, 1):
            add(tar, f"0002.{number}.png", b"p%d" % number)
        add(tar, "folder", kind=tarfile.DIRTYPE)
        add(tar, f"{long}.png", b"long")
        add(tar, f"{long}.txt", "A tower in 東京".encode())
    with tarfile.open(tmp_path / "b.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        add(tar, f"{long}.png", b"long")
        add(tar, f"{long}.txt", b"A tower")
    one, broken, long_one, gnu = open_records([str(tmp_path / "a.tar"), str(tmp_path / "b.tar")])
    assert one.id == "1" and one.images == (ImageSource(data=b"first"),)
    assert broken.messages[0].parts[0:3] == one.messages[0].parts[:1] * 3
    assert [image.data for image in broken.images] == [b"p1", b"p2", b"p10"]
    assert long_one.id == long and long_one.messages[1].parts[0].text == "A tower in 東京"
    assert gnu.id == long


def test_our_own_shards_are_webdataset_too(corpus):
    found = open_records(str(corpus / "data" / "shapes"))
    assert len(found) == 12 and all(isinstance(sample, Sample) and sample.images[0].data for sample in found)


def test_hostile_members_are_refused_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr("vl2.data.records.tar_rows.MAX_ROW_BYTES", 1000)
    good = json.dumps(record(1)).encode()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "../up.json", good)
        add(tar, "/absolute.json", good)
        add(tar, "c/../../up.json", good)
        add(tar, "link.json", kind=tarfile.SYMTYPE, link="/etc/passwd")
        add(tar, "hard.json", kind=tarfile.LNKTYPE, link="good.json")
        add(tar, "device.json", kind=tarfile.CHRTYPE)
        add(tar, "good.json", good)
        add(tar, "big.json", b"[" * 2000)
        add(tar, "alone.png", b"p")
        add(tar, "bad.json", b"{")
    found = verify(open_records(str(tmp_path / "a.tar")))
    assert found.num_usable == 1
    assert found.skipped == {
        "a member's name leaves the archive": 3,
        "a link in the archive": 2,
        "a member that is no file": 1,
        "a row is too long": 1,
        "no .json and no .txt beside the images": 1,
        "not JSON": 1,
    }


def test_a_header_that_lies_about_its_size_costs_nothing(tmp_path):
    member = tarfile.TarInfo("a.json")
    member.size = 7 << 30
    (tmp_path / "a.tar").write_bytes(member.tobuf() + b"{}")
    assert verify(open_records(str(tmp_path / "a.tar"))).skipped == {"a row is too long": 1}
    member.type = tarfile.XHDTYPE
    (tmp_path / "b.tar").write_bytes(member.tobuf() + b"{}")
    assert len(TarRows(str(tmp_path / "b.tar")).piece_rows) == 0
    for size in (1 << 62, 1 << 70):  # further than files reach
        member.type, member.size = tarfile.REGTYPE, size
        (tmp_path / "far.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + b"{}")
        assert verify(open_records(str(tmp_path / "far.tar"))).skipped == {"a row is too long": 1}
    (tmp_path / "c.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(VL2Error, match="not a tar archive"):
        open_records(str(tmp_path / "c.tar"))


def test_a_name_that_looks_like_a_pattern_or_is_too_long(tmp_path):
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    (tmp_path / "a[1].jsonl").write_text(json.dumps(row) + "\n")
    assert len(open_records(str(tmp_path / "a[1].jsonl"))) == 1
    with pytest.raises(VL2Error, match="no records here"):
        open_records("a" * 300)


def test_compressed_tar(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        add(tar, "1.json", json.dumps(record(1)).encode())
    assert ids(tmp_path / "a.tar.gz") == ["1"]
    assert files.kind_of("x.TGZ") == ".tar" and files.kind_of("x.tar.zst") is None


def test_a_folder_of_folders_is_read_one_level_deep(tmp_path):
    for place in ("b", "a", "a/deeper"):
        (tmp_path / place).mkdir(parents=True)
        write(tmp_path / place / "rows.jsonl", [record(len(place))], "lines")
    assert ids(tmp_path) == ["1", "1"]
    write(tmp_path / "rows.jsonl", [record(5)], "lines")
    assert ids(tmp_path) == ["5"]
