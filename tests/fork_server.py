"""Starts agentsync's commands by forking a process that has imported it: a start costs 3 ms instead of 120.

Each command is a process of its own all the same, with its own folder, environment and streams. Where a system cannot
fork so, `start` says None, and the caller starts Python.
"""

from __future__ import annotations

import atexit
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_servers: dict[int, subprocess.Popen[bytes]] = {}  # by the process that asks: a fork of it has none
_HEAVY = ("agentsync.mcp", "agentsync.cli.mcp", "agentsync.__main__")


def run(words: list[str], folder: Path, environ: dict[str, str], stdin: bytes) -> tuple[int, bytes, bytes] | None:
    """Run agentsync with some arguments: its exit code, output and errors; None where it must be started otherwise."""
    if not hasattr(os, "fork") or not hasattr(socket, "send_fds") or _needs_a_start(environ):
        return None
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        code = _ask(words, folder, environ, [given.fileno(), out.fileno(), err.fileno()])
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def _needs_a_start(environ: dict[str, str]) -> bool:
    """Whether the environment decides what Python reads when it starts."""
    names = ("PYTHON", "LC_", "LANG")
    here = {key: value for key, value in os.environ.items() if key.startswith(names)}
    there = {key: value for key, value in environ.items() if key.startswith(names)}
    return {**here, "LC_ALL": "C.UTF-8"} != {**there, "LC_ALL": there.get("LC_ALL", "")}


def _ask(words: list[str], folder: Path, environ: dict[str, str], files: list[int]) -> int:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(_address())
        request = json.dumps([words, str(folder), environ]).encode("utf-8", "surrogateescape")
        socket.send_fds(line, [len(request).to_bytes(4, "big")], files)
        line.sendall(request)
        answer = line.recv(4)
    return int.from_bytes(answer, "big", signed=True) if answer else -9


def _address() -> str:
    address = os.path.join(tempfile.gettempdir(), f"agentsync-fork-{os.getpid()}")
    if os.getpid() not in _servers:
        server = subprocess.Popen([sys.executable, __file__, address], env={**os.environ, "LC_ALL": "C.UTF-8"})
        _servers[os.getpid()] = server
        atexit.register(_end, os.getpid(), address)
        while not os.path.exists(address):
            assert server.poll() is None
            time.sleep(0.01)  # until the server has imported agentsync and listens
    return address


def _end(pid: int, address: str) -> None:
    if os.getpid() == pid:
        _servers.pop(pid).kill()
        os.unlink(address)


def _serve(address: str) -> None:
    import agentsync

    for module in pkgutil.walk_packages(agentsync.__path__, "agentsync."):
        if not module.name.startswith(_HEAVY):
            __import__(module.name)
    server = socket.socket(socket.AF_UNIX)
    server.bind(address + ".new")
    server.listen()
    os.rename(address + ".new", address)
    server.settimeout(5)
    while os.getppid() != 1:
        try:
            line, _ = server.accept()
        except TimeoutError:
            continue
        if os.fork():
            line.close()
            _reap()
            continue
        server.close()
        _become(line)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _become(line: socket.socket) -> None:
    """Be the command that is asked for."""
    head, files, _, _ = socket.recv_fds(line, 4, 3)
    left, request = int.from_bytes(head, "big"), b""
    while len(request) < left:
        request += line.recv(left - len(request))
    words, folder, environ = json.loads(request.decode("utf-8", "surrogateescape"))
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    code = 1
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        time.tzset()
        sys.argv = ["agentsync", *words]
        from agentsync.cli.main import main

        code = main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 1
        line.sendall((code or 0).to_bytes(4, "big", signed=True))
        os._exit(code or 0)


if __name__ == "__main__":
    _serve(sys.argv[1])
