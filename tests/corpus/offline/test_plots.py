"""Galleries of example scripts as figures with their code and with what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.packages.documents.galleries import figures_of
from vl2.corpus.sources.packages.documents.plain_rst import plain_paragraphs
from vl2.corpus.sources.table import open_source
from vl2.corpus.step import text_of
from vl2.data.faults import Fault

HEAD = """
.. DO NOT EDIT.

.. only:: html

    .. note::
        :class: sphx-glr-download-link-note

        Click :ref:`here <sphx_glr_download_auto_examples_waves_plot_waves.py>`
        to download the full example code

.. rst-class:: sphx-glr-example-title

.. _sphx_glr_auto_examples_waves_plot_waves.py:


=====================
Two kinds of waves
=====================

Waves are drawn by :func:`numpy.sin`. See ``numpy`` for :math:`\\pi`.

1. A list goes.

"""
END = """
.. rst-class:: sphx-glr-timing

   **Total running time of the script:** ( 0 minutes  0.093 seconds)


.. _sphx_glr_download_auto_examples_waves_plot_waves.py:
"""


def step(lines: str, body: str) -> str:
    return f".. GENERATED FROM PYTHON SOURCE LINES {lines}\n\n{body}\n\n"


def code(*lines: str) -> str:
    return ".. code-block:: default\n\n" + "\n".join(f"    {line}" if line else "" for line in lines) + "\n"


def figure(number: int, alt: str, indent: str = "") -> str:
    name = f"/auto_examples/waves/images/sphx_glr_plot_waves_{number:03}.png"
    return f"{indent}.. image-sg:: {name}\n{indent}   :alt: {alt}\n{indent}   :srcset: {name}\n"


PAGE = (
    HEAD
    + step("10-14", code("# Author: A. Writer", "# License: BSD", "", "import numpy as np", "x = np.arange(9)"))
    + step("15-17", "A short wave\n------------\n\nThe first wave is *short*.")
    + step("18-20", code("plt.plot(np.sin(x))", "plt.show()") + "\n" + figure(1, "A sine"))
    + step("21-23", "Both stand beside each other.")
    + step(
        "24-30",
        code("for one in (1, 2):", "    plt.figure()", "", "    plt.plot(one * x)")
        + "\n.. rst-class:: sphx-glr-horizontal\n\n\n    *\n\n"
        + figure(2, "plot waves", "      ")
        + figure(3, "One, two", "      ")
        + "\n.. rst-class:: sphx-glr-script-out\n\n Out:\n\n .. code-block:: none\n\n    printed\n",
    )
    + END
)


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    page = tmp_path / "_sources" / "auto_examples" / "waves" / "plot_waves.rst.txt"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE, encoding="utf-8")
    (page.parent / "index.rst.txt").write_text(PAGE, encoding="utf-8")
    (tmp_path / "_images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    for number in (1, 2, 3):
        Image.fromarray(pixels).save(tmp_path / "_images" / f"sphx_glr_plot_waves_{number:03}.png")
    return tmp_path


def rows_of(place: Path, kind: str) -> list[Sample | Fault]:
    files = open_source(Source(name="waves", path=str(place), format=kind, licence="BSD-3-Clause")).files
    return [row for file in files for piece in range(len(file.piece_rows)) for row in file.read(piece)]


def test_figures_stand_with_their_code_and_the_code_before_that_drew_nothing():
    first, second, third = figures_of({"file": "plot_waves.rst.txt", "page": PAGE})
    assert (first["title"], first["alt"], first["said"]) == ("Two kinds of waves", "A sine", "The first wave is short.")
    assert first["code"] == "plt.plot(np.sin(x))\nplt.show()"
    assert first["code_before"].strip() == "import numpy as np\nx = np.arange(9)"  # without who wrote it
    assert second["code"] == third["code"] == "for one in (1, 2):\n    plt.figure()\n\n    plt.plot(one * x)"
    assert third["code_before"] == first["code_before"] and (second["figures"], third["alt"]) == (2, "One, two")


def test_a_figure_is_described_by_title_names_and_text(gallery):
    described = rows_of(gallery, "gallery_figures")
    assert [text_of(row, ("assistant",)).split("\n") for row in described if isinstance(row, Sample)] == [
        ["Two kinds of waves. Titles in the figure: A sine.", "The first wave is short."],
        ["Two kinds of waves.", "Both stand beside each other."],  # it is called as its file: it has no title
        ["Two kinds of waves. Titles in the figure: One, two.", "Both stand beside each other."],
    ]


def test_code_is_the_answer_to_its_figure(gallery):
    plots = rows_of(gallery, "gallery_plots")
    assert [text_of(row, ("assistant",)).partition("\n")[0] for row in plots if isinstance(row, Sample)] == [
        "plt.plot(np.sin(x))", "for one in (1, 2):", "for one in (1, 2):"]  # fmt: skip
    assert all(isinstance(row, Sample) and row.images and "numpy" in row.provenance["code_before"] for row in plots)


def test_figures_outside_the_folder_are_faults(gallery):
    page = gallery / "_sources" / "auto_examples" / "waves" / "plot_waves.rst.txt"
    page.write_text(PAGE.replace("sphx_glr_plot_waves_001.png", "../../../secret.png"), encoding="utf-8")
    (gallery.parent / "secret.png").write_bytes((gallery / "_images" / "sphx_glr_plot_waves_002.png").read_bytes())
    first = rows_of(gallery, "gallery_plots")[0]
    assert isinstance(first, Fault) or str(gallery) in str(first.images[0].path)
    page.write_text("=====\n" * 20_000, encoding="utf-8")
    with pytest.raises(IndexError):
        rows_of(gallery, "gallery_plots")[0]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Use :class:`~a.b.Model` or `the guide <https://x.org>`_ [1]_.", ("Use Model or the guide.",)),
        ("It is described in [1]_ and works.", ()),
        ("First. See :ref:`sphx_glr_auto_examples_a.py`. Last ``x``.", ("First. Last x.",)),
        (".. note::\n\n   Within.\n\nAbove 2*pi and 3*pi, *so* it is.", ("Above 2*pi and 3*pi, so it is.",)),
        ("These steps follow:\n\n* one.\n* two.\n\n1. three is.\n\n:math:`x` is\na number.", ("$x$ is a number.",)),
    ],
)
def test_rst_is_read_as_a_reader_sees_it(written, read):
    assert plain_paragraphs(written) == read


def test_the_real_package_has_figures():
    place = Path("/usr/share/doc/python-skimage-doc/html")
    if not place.is_dir():
        pytest.skip("the Debian package python-skimage-doc is not installed")
    assert sum(isinstance(row, Sample) for row in rows_of(place, "gallery_figures")) > 100
