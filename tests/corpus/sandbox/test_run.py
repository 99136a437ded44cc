"""Code of strangers reaches neither network, files, other processes nor more than its share; each case is an exploit
elsewhere. All of it holds with and without namespaces of its own."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from vl2.core.errors import VL2Error
from vl2.corpus.sandbox import run as sandbox
from vl2.corpus.sandbox.run import Caps, run_code

SMALL = Caps(wall_s=12.0, cpu_s=1, memory_mb=1024, file_mb=4, folder_mb=8, output_kb=16)


def able() -> bool:
    try:
        return run_code("print(1)", SMALL).output == "1\n"
    except VL2Error:
        return False


pytestmark = pytest.mark.skipif(not able(), reason="this kernel has no Landlock or seccomp: code is not run at all")


@pytest.fixture(params=["namespaces", "none"])
def isolation(request, monkeypatch):
    """Run as root of its own namespaces, and without them, as in a container that forbids them."""
    if request.param == "none":
        monkeypatch.setattr(sandbox, "_prefix", lambda: ())
    elif not sandbox._prefix():
        pytest.skip("namespaces are not allowed here")
    return request.param


def run_in(code: str, caps: Caps = SMALL):
    return run_code(code, caps)


def test_a_plot_is_drawn(isolation):
    ran = run_in("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()\nprint('done')")
    assert (ran.problem, ran.output) == ("", "done\n") and ran.files["figure-0.png"].startswith(b"\x89PNG")


def test_files_outside_are_out_of_reach(isolation, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    code = f"""
import os, pathlib
def tried(work):
    try:
        return repr(work())
    except OSError as error:
        return type(error).__name__
path = {str(secret)!r}
print(tried(lambda: open(path).read()), tried(lambda: open('/etc/passwd').read()), tried(lambda: os.listdir('/')))
print(tried(lambda: open(path, 'w')), tried(lambda: os.remove(path)), tried(lambda: os.chmod(path, 0o777)))
print(tried(lambda: os.link(path, 'link')), tried(lambda: open('/proc/self/environ').read()))
print(tried(lambda: open('/dev/shm/x', 'w')), tried(lambda: os.mkdir(path + '.d')), tried(lambda: os.utime(path)))
print(tried(lambda: os.chown(path, 1, 1)), tried(lambda: os.rename(path, 'mine')), tried(lambda: os.truncate(path, 0)))
print(tried(lambda: os.symlink(path, 'out.png')), tried(lambda: os.mkfifo('pipe.png')))
pathlib.Path('own.txt').write_text('own')
"""
    ran = run_in(code)
    told = ran.output.split()
    assert len(told) == 16 and set(told) <= {"PermissionError", "OSError", "FileNotFoundError"}, ran
    assert secret.read_text() == "secret" and oct(secret.stat().st_mode) != oct(0o100777)
    assert not ran.problem and ran.files == {"own.txt": b"own"}


def test_a_link_that_was_left_behind_is_not_followed(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a.png").symlink_to(secret)
    os.mkfifo(folder / "b.png")
    (folder / "c.png").mkdir()
    (folder / "d.png").write_bytes(b"own")
    (folder / "e.png").write_bytes(b"x" * 100)
    assert dict(sandbox._left(folder, 50)) == {"d.png": b"own"}


def test_no_network(isolation):
    reached = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: (server.accept(), reached.set()), daemon=True).start()
        port = server.getsockname()[1]
        code = f"""
import ctypes, socket
for work in (lambda: socket.create_connection(("127.0.0.1", {port})), lambda: socket.socket(socket.AF_UNIX),
             lambda: socket.socketpair(), lambda: socket.getaddrinfo("example.com", 80)):
    try:
        work()
        print("open")
    except OSError as error:
        print("shut")
print(ctypes.CDLL(None).syscall(41, 2, 1, 0))  # the system call itself
"""
        assert run_in(code).output.split() == ["shut"] * 4 + ["-1"]
    assert not reached.is_set()


def test_no_other_programs_and_processes(isolation):
    code = f"""
import ctypes, os, signal, subprocess, sys
def tried(work):
    try:
        work()
        return "done"
    except (OSError, ValueError):
        return "not"
print(tried(os.fork), tried(lambda: subprocess.run([sys.executable, "-c", "1"])))
print(tried(lambda: os.execv("/bin/ls", ["ls"])))
print(tried(lambda: os.kill({os.getpid()}, 0)), tried(lambda: os.kill(-1, signal.SIGKILL)), os.system("true") != 0)
libc = ctypes.CDLL(None)
print(libc.syscall(101, 16, {os.getpid()}, 0, 0), libc.syscall(435, 0, 0), libc.syscall(272, 0x10000000))
import resource
print(tried(lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, 1))), resource.getrlimit(resource.RLIMIT_CORE))
"""
    assert run_in(code).output.split("\n")[:5] == ["not not", "not", "not not True", "-1 -1 -1", "not (0, 0)"]


def test_a_fork_bomb_and_a_bomb_of_threads(isolation):
    assert run_in("import os\nwhile True:\n    os.fork()").problem == "raises PermissionError"
    bomb = "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(60,)).start()"
    started = time.monotonic()
    assert run_in(bomb, Caps(wall_s=3.0, memory_mb=1024)).problem
    assert time.monotonic() - started < 12


@pytest.mark.parametrize(
    ("code", "problems"),
    [
        ("while True: pass", {"takes too long", "takes too long, or crashes"}),
        ("x = bytearray(1 << 34)", {"takes too much memory"}),
        ("open('a', 'wb').write(b'x' * (64 << 20))", {"raises OSError"}),
        ("print('x' * (64 << 20))", {"says too much"}),
        ("class Mine(Exception): pass\nraise Mine", {"fails"}),
        ("import ctypes\nctypes.string_at(0)", {"takes too long, or crashes", "fails"}),
        ("raise SystemExit(3)", {"fails"}),
        ("\ud800", {"not Unicode"}),
        ("import torch_of_another_name", {"raises ModuleNotFoundError"}),
        ("def f(: pass", {"raises SyntaxError"}),
    ],
)
def test_what_takes_or_says_too_much_is_named(isolation, code, problems):
    ran = run_in(code)
    assert ran.problem in problems and not ran.files and len(ran.output) <= SMALL.output_kb << 10


def test_sleep_and_many_files_are_ended(isolation):
    short = Caps(wall_s=1.5, folder_mb=8)
    assert run_in("import time\ntime.sleep(600)", short).problem == "takes too long"
    many = "n = 0\nwhile True:\n    open(f'{n}', 'wb').write(b'x' * (1 << 20))\n    n += 1"
    assert run_in(many, Caps(folder_mb=16)).problem == "writes too much"


def test_the_environment_is_empty_and_the_folder_too(isolation, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    ran = run_in("import os\nprint(sorted(os.environ), os.listdir('.'), os.getcwd() == os.environ['HOME'])")
    assert "OPENAI" not in ran.output and "True" in ran.output and "'.matplotlib'" in ran.output
    assert not any(Path(place).exists() for place in ran.output.split() if place.startswith("/tmp/vl2-sandbox"))


def test_a_machine_that_cannot_hold_code_runs_none(monkeypatch, tmp_path):
    fake = tmp_path / "guard.py"
    fake.write_text("import os, sys\nsys.stderr.write('guard: Landlock\\n')\nos._exit(70)\n")
    monkeypatch.setattr(sandbox, "GUARD", fake)
    with pytest.raises(VL2Error, match="this machine cannot hold code: guard: Landlock"):
        run_code("print(1)")
