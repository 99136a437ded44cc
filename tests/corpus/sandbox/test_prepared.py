"""An interpreter forks a process for each code: nothing passes from one to the next, nothing outlives who asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.corpus.sandbox.test_run import able
from vl2.corpus.sandbox import run as sandbox
from vl2.corpus.sandbox.run import Caps, run_code

pytestmark = pytest.mark.skipif(not able(), reason="this kernel has no Landlock or seccomp: code is not run at all")
SMALL = Caps(wall_s=20.0, cpu_s=5, memory_mb=1024)


def test_nothing_of_one_code_reaches_the_next():
    first = run_code(
        "import builtins, os, sys, numpy\nbuiltins.left = sys.left = numpy.left = 1\nos.environ['LEFT'] = '1'\n"
        "open('left', 'w').write('1')\nnumpy.random.seed(1)\nos.umask(0)\n",
        SMALL,
    )
    second = run_code(
        "import builtins, os, sys, numpy\nprint([hasattr(one, 'left') for one in (builtins, sys, numpy)])\n"
        "print('LEFT' in os.environ, os.path.exists('left'), os.umask(0) == 0)",
        SMALL,
    )
    assert (first.problem, second.problem) == ("", "")
    assert second.output.splitlines() == ["[False, False, False]", "False False False"]


def test_code_finds_no_open_files_and_leaves_no_group():
    ran = run_code(
        "import os\ndef tried(work):\n    try:\n        work()\n        return 'done'\n    except OSError:\n"
        "        return 'not'\n"
        "print([handle for handle in range(3, 256) if tried(lambda: os.fstat(handle)) == 'done'])\n"
        "print(tried(os.setsid), tried(lambda: os.setpgid(0, 0)), os.read(0, 9))",
        SMALL,
    )
    assert ran.output.splitlines() == ["[]", "not not b''"]


def test_what_code_ends_is_started_again():
    assert run_code("import time\ntime.sleep(60)", Caps(wall_s=1.0)).problem == "takes too long"
    assert run_code("import ctypes\nctypes.string_at(0)", SMALL).problem
    assert run_code("print(1)", SMALL).output == "1\n"


def test_hashes_are_the_same_in_every_interpreter():
    first = run_code("print(hash('a'), list({'a', 'b', 'c', 'd'}))", SMALL)
    sandbox._PREPARED.end()
    assert run_code("print(hash('a'), list({'a', 'b', 'c', 'd'}))", SMALL).output == first.output != ""


def test_an_interpreter_that_dies_is_told_and_replaced():
    assert run_code("print(1)", SMALL).output == "1\n"
    process = sandbox._PREPARED._process
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert run_code("print(2)", SMALL).output == "2\n"


@pytest.mark.parametrize("prefix", ["sandbox._prefix", "(lambda: ())"])
def test_nothing_runs_on_when_who_asked_is_killed(prefix):
    asking = (
        "import threading, time\nfrom vl2.corpus.sandbox import run as sandbox\n"
        f"sandbox._prefix = {prefix}\nassert sandbox.run_code('print(1)').output == '1\\n'\n"
        "print(sandbox._PREPARED._process.pid, flush=True)\n"
        'sandbox.run_code(\'import time\\nopen("begun", "w")\\ntime.sleep(100)\', sandbox.Caps(wall_s=100.0))\n'
    )
    with subprocess.Popen([sys.executable, "-c", asking], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        group = int(process.stdout.readline())
        time.sleep(0.5)
        os.killpg(group, 0)  # it runs
        process.kill()
    end = time.monotonic() + 20
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(group, 0)
            time.sleep(0.05)
