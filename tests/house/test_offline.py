"""The guard of conftest.py: a test cannot leave the machine."""

import socket
import threading

import pytest

FAR_AWAY = "192.0.2.1"  # reserved for documentation, nobody answers there


def test_a_connection_to_another_machine_is_refused():
    with socket.socket() as client, pytest.raises(OSError, match="Tests run offline"):
        client.connect((FAR_AWAY, 80))


def test_a_connection_to_this_machine_is_made():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close()).start()
        with socket.create_connection(server.getsockname()) as client:
            assert client.recv(1) == b""
