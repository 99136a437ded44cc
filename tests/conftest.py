"""Tests run offline and alone: no hub, and no address beyond this machine."""

from __future__ import annotations

import os
import socket

import hypothesis
import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"  # before any test imports the hub client
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before any test imports Triton: it counts when a kernel is defined

hypothesis.settings.register_profile("vl2", deadline=None)  # a busy machine is not a failure
hypothesis.settings.load_profile("vl2")
torch.set_num_threads(1)  # small models: a second thread costs more than it brings on a busy machine

LOCAL = {"127.0.0.1", "::1", "localhost", "0.0.0.0"}


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Refuse connections that leave the machine, so that a test which needs the network fails where it asks."""
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address):
        is_local = self.family == socket.AF_UNIX or address[0] in LOCAL or address[0] == _own_address()
        if not is_local:
            raise OSError(f"test: connection to {address[0]} refused. Tests run offline: use a file or a local server.")
        return connect(self, address)

    socket.socket.connect = connect_locally
    yield
    socket.socket.connect = connect


def _own_address() -> str:
    """Return this machine's own address: gloo and Ray meet there rather than on the loopback."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"
