"""kill -9 at random moments: after a restart the grid is complete, each run is there once, and whole."""

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.engines.local import LocalEngine
from benchmarks.engines.work import Execute, train
from benchmarks.plan.spec import RunSpec
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from tests.conftest import EngineHere, spec_of
from tests.fakes import work_slowly

# Each kill starts a driver and its workers again, which takes the time: few by default, more in `make test-all`.
KILLS = [6, pytest.param(25, marks=pytest.mark.thorough)]

DRIVER = """
import pickle, sys
from pathlib import Path
from benchmarks.engines import local
from benchmarks.engines.work import train
from benchmarks.records.store import Store
from tests.fakes import work_slowly

if __name__ == "__main__":
    local.require_files = lambda specs: None  # toys need none, and each driver would wait for torch
    specs = pickle.loads(Path(sys.argv[2]).read_bytes())
    engine = local.LocalEngine(Store(Path(sys.argv[1])), ["cpu", "cpu"], retries=1000, execute={execute})
    print([event.error for event in engine.run(specs) if event.kind == "failed"])
"""


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def run_killing(specs: list[RunSpec], store: Path, execute: Execute, kills: int, rng: random.Random) -> int:
    """Do a grid with a driver that is started again until it is through; returns how many kills it took.

    Each kill hits the driver or one of its workers, within the time that a few runs take.
    """
    listed, script = store.with_suffix(".pkl"), store.with_suffix(".py")
    listed.write_bytes(pickle.dumps(specs))
    script.write_text(DRIVER.replace("{execute}", execute.__name__))
    command = [sys.executable, str(script), str(store), str(listed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = 0
    while True:
        driver = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        while driver.poll() is None:
            time.sleep(rng.uniform(0, 0.6 if execute is work_slowly else 6))
            workers = children(driver.pid)
            if done < kills and workers and driver.poll() is None:
                victim = rng.choice([driver.pid, *workers])
                os.kill(victim, signal.SIGKILL)
                done += 1
                if victim == driver.pid:
                    driver.wait()
                    deadline = time.monotonic() + 20  # one that was just starting finds out when it has started
                    while any(running(worker) for worker in workers):
                        assert time.monotonic() < deadline
                        time.sleep(0.05)
        output, _ = driver.communicate()
        if driver.returncode == 0:
            assert output.strip() == "[]"
            return done
        assert driver.returncode == -signal.SIGKILL


def contents(store: Store) -> dict[str, bytes]:
    """What a store's records hold, but for clocks and provenance; half a folder would differ."""
    files = (path for folder in store.record_folders() for path in folder.rglob("*") if path.is_file())
    clocks = ("cost.json", "provenance.json", "digests.json")
    numbers = (path for path in files if path.name not in clocks)
    return {str(path.relative_to(store.root)): path.read_bytes() for path in numbers}


@pytest.mark.parametrize("wanted", KILLS)
def test_kills_of_a_fake_training(tmp_path: Path, wanted: int) -> None:
    specs, rng, kills = [spec_of("source_only", seed=seed) for seed in range(wanted + 15)], random.Random(0), 0
    undisturbed = Store(tmp_path / "undisturbed")
    list(LocalEngine(undisturbed, ["cpu"] * 4, execute=work_slowly).run(specs))
    while kills < wanted:
        store = Store(tmp_path / f"after {kills}")
        kills += run_killing(specs, store.root, work_slowly, wanted - kills, rng)
        assert contents(store) == contents(undisturbed)
        assert len(store.record_folders()) == len(specs)


@pytest.mark.thorough  # test_training.py interrupts one, test_ray.py kills one
def test_three_kills_of_a_real_training(tmp_path: Path) -> None:
    specs = [spec_of(method, seed=seed, steps=300) for seed in range(2) for method in ("dann", "adda")]
    undisturbed, rng, kills = Store(tmp_path / "undisturbed"), random.Random(1), 0
    list(EngineHere(undisturbed, ["cpu"]).run(specs))
    while kills < 3:  # a fast machine is through before the third
        store = Store(tmp_path / f"after {kills}")
        kills += run_killing(specs, store.root, train, 3 - kills, rng)
        assert contents(store) == contents(undisturbed)
        assert len(load_records(store.root)) == len(specs)
