"""Ray nodes on this machine, started as a user starts them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from support.faults import wait_for as until

RAY = Path(sys.executable).with_name("ray")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Nodes:
    """Ray nodes on this machine, started as a user starts them."""

    def __init__(self, folder):
        self.folder, self.port, self.started = folder, free_port(), []
        self.address = f"127.0.0.1:{self.port}"

    def start(self, *words):
        first = 20000 + os.getpid() % 100 * 400 + 100 * len(self.started)
        command = [RAY, "start", "--block", f"--min-worker-port={first}", f"--max-worker-port={first + 99}", *words]
        with (self.folder / "log").open("a") as log:
            self.started.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
        return self.started[-1]

    def start_head(self):
        head = ["--head", f"--port={self.port}", f"--temp-dir={self.folder}", "--include-dashboard=false"]
        self.start(*head, "--num-cpus=2", "--num-gpus=1")
        until(lambda: answers(self.port), 120)

    def start_another(self):
        return self.start(f"--address={self.address}", "--num-cpus=1")

    def end(self):
        for process in self.started:
            kill(process, signal.SIGTERM)
        for process in self.started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
            kill(process, signal.SIGKILL)


def kill(process, number):
    """Send a signal to a node: all processes of the group that it leads."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
