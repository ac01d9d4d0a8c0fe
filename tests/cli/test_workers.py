"""The options for many workers: wrong numbers get one line, and a command with two workers prints what one prints."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from merbench.cli.asked import RunOptions
from merbench.cli.workers import workforce
from merbench.engine import environment
from merbench.engine.execute.jobs import Executor

DOCS = Path(__file__).resolve().parents[2] / "docs"


WRONG = """--workers 0 | --workers two | --gpus -1 | --folds-per-gpu 0 | --folds-per-gpu many | --pack 0 |
--executor rey | --executor serial --workers 2 | --executor serial --ray-address here:1 | --ray-address 127.0.0.1:9 |
--ray-address there"""


def test_wrong_numbers_of_workers_are_refused(all_refused, small, tmp_path):
    all_refused("|".join(f"run majority {words}" for words in WRONG.split("|")), *small)
    all_refused("ablate medn --folds-per-gpu many", *small)
    assert not (tmp_path / "results").exists()


def test_several_gpus_are_used_unless_an_option_says_otherwise(monkeypatch):
    for options, gpus, devices, expected in (
        ({}, 2, ["cpu", "cuda:0"], "ray"),
        ({}, 2, ["cpu"], "serial"),  # no method that would use them
        ({}, 1, ["cuda:0"], "serial"),
        ({}, 0, ["cpu"], "serial"),
        ({"workers": 1}, 2, ["cuda:0"], "serial"),
        ({"gpus": 1}, 2, ["cuda:0"], "serial"),
        ({"executor": "serial"}, 2, ["cuda:0"], "serial"),
        ({"executor": "ray"}, 0, ["cpu"], "ray"),
        ({"gpus": 2}, 4, ["cuda:0"], "ray"),
    ):
        monkeypatch.setattr(environment, "gpus", lambda gpus=gpus: gpus)
        plans = [SimpleNamespace(task=SimpleNamespace(device=device)) for device in devices]
        start = workforce(RunOptions(methods=["m"], protocol=["p"], **options))
        with start(plans) as executor:  # Ray itself starts with the first fold
            assert (type(executor) is Executor) is (expected == "serial"), options


def test_where_nothing_is_to_do_ray_is_not_started(merbench, done, recorded, small, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "ray"]:
        monkeypatch.delitem(sys.modules, name)
    assert "nothing to do" in done("run", "majority", "svm-flow", *small, "--workers", "2")
    assert "ray" not in sys.modules


SLOW = """
def fit(self, train, run):
    import time
    print("a word on standard output")
    if "samm/006" not in train.subjects:
        time.sleep(600)
"""


@pytest.mark.slow
def test_interrupted_workers_leave_recorded_folds(toy, small, tmp_path):
    """A plug-in's method, found on the path; a whole command line, in a process of its own."""
    toy(body=SLOW, card="inputs:\n  flow: {kind: flow}\n")
    path = os.pathsep.join(map(str, (tmp_path / "site").iterdir()))
    command = [sys.executable, "-m", "merbench", "run", "toy", *small, "--workers", "2"]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, **how)

    def recorded():  # short folds go out together: some wait for the one that takes long
        return list(tmp_path.glob("results/runs/toy-*/folds/*/record.json"))

    try:
        end = time.monotonic() + 180
        while len(recorded()) < 5 and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all processes of the group
        out, err = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, err
    assert err == "error: interrupted; completed folds are saved; run the same command to resume\n"
    told = out.partition("starting Ray on this machine\n")[2]
    words = [line for line in told.splitlines() if not line.startswith("toy seed 0: ")]
    assert words == []  # no word of Ray's, or of the method's
    assert 5 <= len(recorded()) <= 8


@pytest.mark.slow
def test_workers_execute_no_module_of_the_current_folder(small, tmp_path):
    """Files with the names of all modules of Python and of some packages, in the folder where the command starts."""
    here = tmp_path / "here"
    here.mkdir()
    for name in [*sorted(sys.stdlib_module_names), "numpy", "ray", "merbench", "methods", "torch", "sitecustomize"]:
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'a').write({name!r} + chr(10))\n")
    script = Path(sys.executable).with_name("merbench")
    words = ["run", "majority", *map(str, small), "--results", "results", "--tracking-uri", "none"]
    for workers in ("1", "2"):
        how = {"capture_output": True, "text": True, "timeout": 200, "check": False}
        ended = subprocess.run([script, *words, "--existing", "redo", "--workers", workers], cwd=here, **how)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(list(here.glob("results/runs/majority-*/folds/*/record.json"))) == 9
    assert not (tmp_path / "executed").exists(), (tmp_path / "executed").read_text()


@pytest.mark.slow
def test_the_slurm_script_is_sound_and_ends_what_it_starts(tmp_path):
    """Stand-ins for SLURM's commands, Ray and merbench write down how they are called."""
    script = DOCS / "slurm.sh"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    commands = {
        "scontrol": "printf 'node1\\nnode2\\n'",
        "srun": 'for word; do shift; case $word in --nodelist=*) export NODE="${word#*=}" ;; ray | hostname) '
        'exec "$word" "$@" ;; esac; done',
        "hostname": "echo 127.0.0.1 ::1",
        "ray": 'echo "ray on $NODE: $* token ${#RAY_AUTH_TOKEN}" >> "$LOG"\n'
        f"exec {sys.executable} -c 'import socket, sys, time\n"
        'port = [word.rpartition("=")[2] for word in sys.argv if word.startswith("--port=")]\n'
        'server = port and socket.create_server(("127.0.0.1", int(port[0])))\n'
        'time.sleep(600)\' "$@"',
        "merbench": 'echo "merbench $*" >> "$LOG"; exit 1',
    }
    for name, text in commands.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_CPUS_PER_TASK": "3"}
    environment = os.environ | job | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "LOG": str(tmp_path / "log")}
    how = {"capture_output": True, "text": True, "timeout": 60, "check": False}
    ended = subprocess.run(["bash", script, "run", "majority"], env=environment, **how)
    address = f"127.0.0.1:{20000 + os.getpid() % 20000}"
    assert ended.returncode == 1, ended.stderr  # merbench's own
    lines = sorted((tmp_path / "log").read_text().splitlines())
    assert f"merbench run majority --ray-address {address}" in lines
    (head,) = [line for line in lines if line.startswith("ray on node1: start --block --num-cpus=3 --num-gpus=0 ")]
    assert "--head" in head
    assert head.endswith("token 64")
    assert all(f"--address={address}" in line for line in lines if line.startswith("ray on node2"))
    ended = subprocess.run(["bash", script], env={"PATH": os.environ["PATH"]}, **how)
    assert ended.returncode != 0
    assert "to be submitted with sbatch" in ended.stderr
