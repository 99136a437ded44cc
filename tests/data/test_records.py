"""Rows in the true form of each kind of file, traps included, become the Samples that they mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, TextPart, sample_to_dict
from vl2.data.records import open_records, verify


def rows_of(folder: Path, *rows: object, name: str = "data.jsonl"):
    (folder / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return list(open_records(str(folder / name)))


def talk(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": who, "value": text} for who, text in turns]


def user(*parts):
    return Message("user", parts)


def assistant(text):
    return Message("assistant", (TextPart(text),))


def test_llava_rows_with_the_image_before_after_and_missing(tmp_path):
    before, after, none, unplaced, several = rows_of(
        tmp_path,
        {
            "id": "000000033471",
            "image": "coco/train2017/000000033471.jpg",
            "conversations": talk(
                ("human", "<image>\nWhat are the colors of the bus?"), ("gpt", "White and red."),
                ("human", "Is it moving?"), ("gpt", "No."),
            ),
        },
        {"id": "b", "image": "b.jpg", "conversations": talk(("human", "Who?\n<image>"), ("gpt", "A cat."))},
        {"id": "wgByO4Y_0", "model": "", "conversations": talk(("human", "hi"), ("gpt", "Hello."))},
        {"id": 7, "image": "c.jpg", "conversations": talk(("human", "What?"), ("gpt", "A dog."))},
        {"image": ["d.jpg", "e.jpg"], "conversations": talk(("human", "<image> or <image>?"), ("gpt", "One."))},
    )  # fmt: skip
    image = str((tmp_path / "coco/train2017/000000033471.jpg").resolve())
    assert before == Sample(
        "000000033471",
        (
            user(ImagePart(), TextPart("\nWhat are the colors of the bus?")), assistant("White and red."),
            user(TextPart("Is it moving?")), assistant("No."),
        ),
        images=(ImageSource(path=image),),
    )  # fmt: skip
    assert after.messages[0] == user(TextPart("Who?\n"), ImagePart())
    assert none.images == () and none.messages[0] == user(TextPart("hi"))
    assert unplaced.id == "7" and unplaced.messages[0] == user(ImagePart(), TextPart("What?"))
    assert several.messages[0].parts == (ImagePart(), TextPart(" or "), ImagePart(), TextPart("?"))
    assert several.id == "data.jsonl:4" and len(several.images) == 2


def test_what_the_assistant_says_first_is_left_out_and_a_system_message_stays(tmp_path):
    first, system = rows_of(
        tmp_path,
        {"conversations": talk(("gpt", "I can help."), ("human", "Do."), ("gpt", "Done."))},
        {"system": "Be brief.", "conversations": talk(("human", "Do."), ("gpt", "Done."))},
    )
    assert first.messages == (user(TextPart("Do.")), assistant("Done."))
    assert system.messages[0] == Message("system", (TextPart("Be brief."),))


def test_rows_that_cannot_be_learned_from_are_counted_by_reason(tmp_path):
    ok = ("gpt", "Yes.")
    rows_of(
        tmp_path,
        {"conversations": talk(("human", "Ok?"), ok)},
        {"conversations": talk(("human", "Ok?"), ("tool", "{}"), ok)},
        {"conversations": talk(("human", "One."), ("human", "Two."), ok)},
        {"conversations": talk(("human", "No answer"))},
        {"conversations": talk(("gpt", "Only the assistant."))},
        {"conversations": talk(("human", "Where is <image>?"), ok)},
        {"image": "a.jpg", "conversations": talk(("human", "<image><image>"), ok)},
        {"image": "a.jpg", "conversations": talk(("human", "Draw."), ("gpt", "<image>"))},
        {"conversations": [{"from": "human"}]},
        {"conversations": [{"from": "human", "value": None}, {"from": "gpt", "value": 3}]},
        {"conversations": "text"},
        {"prompt": "?"},
        {"messages": [{"role": "user", "content": [{"type": "video", "video": "a.mp4"}]}]},
        ["not", "an object"],
    )
    with (tmp_path / "data.jsonl").open("a") as file:
        file.write('\n  \n{"conversations": [\n' + "[" * 100_000 + "\n")
    found = verify(open_records(str(tmp_path / "data.jsonl")))
    assert (found.num_rows, found.num_usable) == (16, 1)
    assert found.skipped == {
        "unknown role": 1,
        "turns do not alternate": 1,
        "does not end with an answer": 2,
        "images do not match their places": 2,
        "an image in a turn of the assistant": 1,
        "a field is missing or of the wrong type": 2,
        "a text is not a string": 1,
        "no conversation in it": 1,
        "unknown kind of content": 1,
        "not an object": 1,
        "not JSON": 2,
    }


@pytest.mark.parametrize(
    "path",
    ["../secret.png", "a/../../secret.png", "..\\secret.png", "C:\\secret.png", "link/secret.png", "file:///secret.png",
     "https://example.com/a.png", "data:image/png;base64,AAAA", "a\0.png", "", "zip://a.png::file://b"],
)  # fmt: skip
def test_image_paths_may_not_leave_their_root(tmp_path, path):
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    row = {"images": [path], "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}
    (found,) = rows_of(tmp_path / "root", row)
    assert not isinstance(found, Sample) and found.reason.startswith("an image ")
    absolute = row | {"images": [str(tmp_path / "root" / "in.png")]}
    (inside,) = rows_of(tmp_path / "root", absolute)
    assert inside.images[0].path == str((tmp_path / "root" / "in.png").resolve())
    absolute = row | {"images": [str(tmp_path / "secret.png")]}
    assert not isinstance(rows_of(tmp_path / "root", absolute)[0], Sample)


def test_ms_swift_rows_with_boxes_in_pixels_and_in_shares(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "p.png")
    pixels, shares, older, typed, short = rows_of(
        tmp_path,
        {
            "messages": [
                {"role": "system", "content": "You see."},
                {"role": "user", "content": "<image>Find the <ref-object>."},
                {"role": "assistant", "content": "<ref-object><bbox> and <bbox>"},
            ],
            "images": ["p.png"],
            "objects": {"ref": ["dog", "cat"], "bbox": [[20, 10, 100, 50], [0, 0, 200, 100]]},
        },
        {
            "messages": [{"role": "user", "content": "Find."}, {"role": "assistant", "content": "<ref-object> <bbox>"}],
            "images": "p.png",
            "objects": {"ref": ["dog"], "bbox": [[0.1, 0.2, 0.5, 1.0]], "bbox_type": "norm1"},
        },
        {"query": "And?", "response": "So.", "history": [["What?", "That."]], "system": "Be brief.", "images": []},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Who?"}]},
                {"role": "assistant", "content": "I."},
            ],
            "images": [{"path": "p.png", "bytes": None}],
        },
        {
            "messages": [{"role": "user", "content": "Find."}, {"role": "assistant", "content": "<bbox><bbox>"}],
            "images": ["p.png"],
            "objects": {"ref": [], "bbox": [[0, 0, 1, 1]]},
        },
    )
    assert pixels.messages[1] == user(ImagePart(), TextPart("Find the "), BoxesPart("dog", ()), TextPart("."))
    assert pixels.messages[2].parts == (
        BoxesPart("cat", (Box(100, 100, 500, 500),)), TextPart(" and "), TextPart("<|det|>[[0, 0, 999, 999]]<|/det|>"),
    )  # fmt: skip
    assert shares.messages[1].parts == (BoxesPart("dog", (Box(100, 200, 500, 999),)),)
    assert [message.role for message in older.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert typed.messages[0] == user(ImagePart(), TextPart("Who?")) and len(typed.images) == 1
    assert short.reason == "boxes do not match their places"


def test_our_own_samples_pass_whole_and_their_paths_are_checked(tmp_path):
    sample = Sample(
        "s", (user(ImagePart(), TextPart("Where?")), Message("assistant", (BoxesPart("x", (Box(1, 2, 3, 4),)),))),
        images=(ImageSource(path="a.png", width=5, height=6),), provenance={"task": "t"},
    )  # fmt: skip
    record = sample_to_dict(sample)
    found, outside, role, *others = rows_of(
        tmp_path,
        record,
        record | {"images": [{"path": "../a.png"}]},
        record | {"messages": [{"role": "tool", "parts": []}]},
        record | {"messages": [{"role": "user", "parts": [{"type": "boxes", "label": 3, "boxes": []}]}]},
        record | {"answers": [3]},
        record
        | {"messages": [{"role": "user", "parts": [{"type": "boxes", "label": "a", "boxes": [[0.1, 0, 1, 1]]}]}]},
        record | {"objects": [{"label": None, "box": [0, 0, 1, 1], "image": 0, "kind": "object"}]},
    )
    assert found.messages == sample.messages and found.provenance == {"task": "t"}
    assert found.images == (ImageSource(path=str((tmp_path / "a.png").resolve()), width=5, height=6),)
    assert outside.reason == "an image path leaves its root" and role.reason == "unknown role"
    assert [one.reason for one in others] == [
        *["a text is not a string"] * 2, "a corner of a box is no whole number", "a text is not a string"
    ]  # fmt: skip


def test_fine_vision_rows(tmp_path):
    (found,) = rows_of(tmp_path, {"images": ["a.png"], "texts": [{"user": "Who?", "assistant": "I.", "source": "x"}]})
    assert found.messages == (user(ImagePart(), TextPart("Who?")), assistant("I."))
