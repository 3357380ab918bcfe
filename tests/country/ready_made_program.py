"""The program, loaded once: `kumihimo …` in a walk is a process of its own, forked from one that has loaded the libraries.

    python ready_made_program.py serve SOCKET        loads, says "ready", and forks
    python -I -S ready_made_program.py SOCKET ARG…   runs the program with these arguments, as if it had been started so

Saves a second of loading for each of some fifty commands. Terminal, folder, environment and status are the caller's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys


def call(path: str, arguments: list[str]) -> int:
    """Have the program run; its exit status."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        told = json.dumps(
            {"arguments": arguments, "here": os.path.realpath("."), "environment": dict(os.environ)}
        ).encode()
        socket.send_fds(line, [len(told).to_bytes(4, "big")], [0, 1, 2])
        line.sendall(told)
        answers = line.makefile("r")
        pid = int(answers.readline())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _frame: os.kill(pid, number))
        return int(answers.readline())


def serve(path: str) -> None:
    """Fork for everybody who calls, until killed."""
    from kumihimo.cli.main import main
    from kumihimo.country import preloaded, programs  # noqa: F401 - loading is the purpose

    for module in programs.modules():
        __import__(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            line, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os._exit(_attend(line, main))
            line.close()


def _attend(line: socket.socket, main: object) -> int:
    size, fds, _, _ = socket.recv_fds(line, 4, 3)
    told = json.loads(_exactly(line, int.from_bytes(size, "big")))
    pid = os.fork()
    if pid == 0:
        line.close()
        os.setsid()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
            os.close(fd)
        os.chdir(told["here"])
        os.environ.clear()
        os.environ.update(told["environment"])
        sys.argv = ["kumihimo", *told["arguments"]]
        os._exit(_status_of(main))
    for fd in fds:
        os.close(fd)
    line.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    return 0


def _status_of(main: object) -> int:
    assert callable(main)
    status = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return status


def _exactly(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = line.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(call(sys.argv[1], sys.argv[2:]) & 0xFF)
