"""processor_config.json and config.json."""

from __future__ import annotations

import json
import shutil

import pytest

from vl2.core.errors import ConfigError
from vl2.core.tiles import candidate_resolutions
from vl2.processor import Processor, ProcessorSettings


@pytest.fixture
def checkpoint(tmp_path, fixtures):
    shutil.copytree(fixtures / "a_tiny_mha", tmp_path, dirs_exist_ok=True)
    return tmp_path


def write(path, **values):
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | values))


def test_released_settings(fixtures):
    settings = ProcessorSettings.from_directory(fixtures / "a_tiny_mha")
    assert (settings.tile_size, settings.patch_size, settings.side, settings.mask_prompt) == (384, 14, 14, False)
    assert settings.normalization().fill == (127, 127, 127)


def test_saved_file_equals_the_released_one(fixtures, tmp_path):
    ProcessorSettings.from_directory(fixtures / "a_tiny_mha").save(tmp_path)
    written, released = tmp_path / "processor_config.json", fixtures / "a_tiny_mha" / "processor_config.json"
    assert json.loads(written.read_text()) == json.loads(released.read_text())


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"patchsize": 14}, "unknown field 'patchsize'.*Did you mean 'patch_size'"),
        ({"patch_size": "wide"}, "patch_size"),
        ({"patch_size": 0}, "positive"),
        ({"image_std": [0.5, 0.0, 0.5]}, "positive"),
        ({"candidate_resolutions": []}, "empty"),
        ({"candidate_resolutions": [[384, 400]]}, "multiple"),
        ({"candidate_resolutions": [[8, 8]]}, "smaller than a patch"),
        ({"image_token": "<img>"}, "image_token is not supported"),
        ({"sft_format": "llama"}, "sft_format is not supported"),
        ({"ignore_id": 0}, "ignore_id is not supported"),
    ],
)
def test_refused_settings(checkpoint, values, reason):
    write(checkpoint / "processor_config.json", **values)
    with pytest.raises(ConfigError, match=reason):
        Processor.from_directory(checkpoint)


@pytest.mark.parametrize("content", ["", "[]", "{", "null", "[" * 100_000])
def test_broken_file(checkpoint, content):
    (checkpoint / "processor_config.json").write_text(content)
    with pytest.raises(ConfigError, match="not (JSON|a mapping)"):
        Processor.from_directory(checkpoint)


def test_config_json_must_agree(checkpoint):
    write(checkpoint / "config.json", vision_config={"patch_size": 14}, projector_config={}, other=1)
    Processor.from_directory(checkpoint)
    write(checkpoint / "config.json", vision_config={"patch_size": 16})
    with pytest.raises(ConfigError, match="differ in patch_size .got 14, expected 16"):
        Processor.from_directory(checkpoint)
    write(checkpoint / "config.json", vision_config={"image_size": 96})
    with pytest.raises(ConfigError, match="differ in candidate_resolutions"):
        Processor.from_directory(checkpoint)
    write(checkpoint / "config.json", vision_config={"image_size": 96}, candidate_resolutions=7)
    with pytest.raises(ConfigError, match="candidate_resolutions is not a list"):
        Processor.from_directory(checkpoint)
    write(checkpoint / "config.json", vision_config=7)
    with pytest.raises(ConfigError, match="not a mapping"):
        Processor.from_directory(checkpoint)


def test_config_json_serves_alone(checkpoint):
    (checkpoint / "processor_config.json").unlink()
    with pytest.raises(ConfigError, match="holds neither"):
        Processor.from_directory(checkpoint)
    write(checkpoint / "config.json", vision_config={"patch_size": 8, "image_size": 96})
    processor = Processor.from_directory(checkpoint)
    assert (processor.settings.side, processor.rule.candidates) == (6, candidate_resolutions(96))


def test_processor_saved_and_loaded_alike(processor, tmp_path):
    processor.save(tmp_path)
    again = Processor.from_directory(tmp_path)
    assert again.settings == processor.settings
    prompt = "<|User|>: Read it.\n\n<|Assistant|>:"
    assert again.from_prompt(prompt).input_ids.equal(processor.from_prompt(prompt).input_ids)
