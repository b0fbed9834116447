"""The Ray engine on a real cluster of two nodes: the numbers of the local engine, also when a node dies."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.core.settings import UserError
from benchmarks.engines.ray import RayEngine
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from tests.conftest import EngineHere, spec_of
from tests.fakes import die_at_seed_1, fail, pretend

ray_cluster = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed (the extra `ray`)")
ROOT = Path(__file__).parents[1]
CLOCKS = ["training_seconds", "evaluation_seconds", "peak_memory_mb"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """A head and a worker node with a core each, on this machine."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)  # nodes import the tests' stand-ins
    cluster = ray_cluster.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()
    del os.environ["PYTHONPATH"]
    os.environ.update({"PYTHONPATH": before} if before else {})


@pytest.mark.thorough  # as the local engine, which every run shows
def test_a_failing_run_and_one_that_kills_its_worker_fail_alone(cluster: object, tmp_path: Path) -> None:
    specs = [spec_of("source_only"), spec_of("dann", seed=1)]
    for execute, message in ((fail, "ValueError: no good"), (die_at_seed_1, "2 times")):
        store = Store(tmp_path / execute.__name__)
        events = list(RayEngine(store, cluster.address, execute=execute).run(specs))  # type: ignore[attr-defined]
        failed = [event for event in events if event.kind == "failed"]
        assert {event.spec.method for event in failed} == {"dann"}
        assert all(message in event.error for event in failed)
        assert sum(store.finished(spec) for spec in specs) == len(specs) - len(failed)


def test_what_is_finished_is_not_done_again(cluster: object, tmp_path: Path) -> None:
    specs, store = [spec_of("source_only", seed=seed) for seed in range(3)], Store(tmp_path)
    list(EngineHere(store, ["cpu"], execute=pretend).run(specs[:1]))
    events = list(RayEngine(store, cluster.address, execute=pretend).run(specs))  # type: ignore[attr-defined]
    assert [event.kind for event in events if event.spec == specs[0]] == ["reused"]
    assert all(store.finished(spec) for spec in specs)


def test_nothing_at_the_address_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no Ray cluster answers at '127.0.0.1:9'"):
        list(RayEngine(Store(tmp_path), "127.0.0.1:9").run([spec_of("dann")]))


def test_a_node_dies_and_the_numbers_are_those_of_the_local_engine(cluster: object, tmp_path: Path) -> None:
    specs = [spec_of("dann", seed=seed, steps=100) for seed in range(4)]
    local, remote = Store(tmp_path / "local"), Store(tmp_path / "ray")
    list(EngineHere(local, ["cpu"]).run(specs))
    killed = False
    for event in RayEngine(remote, cluster.address, retries=3).run(specs):  # type: ignore[attr-defined]
        assert event.kind != "failed", event.error
        if event.kind == "finished" and not killed:
            killed = True
            time.sleep(0.2)
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)  # type: ignore[attr-defined]
    frames = [
        load_records(store.root).set_index("run_id").sort_index().drop(columns=CLOCKS) for store in (local, remote)
    ]
    assert killed
    assert len(frames[0]) == len(specs)
    assert frames[0].to_json() == frames[1].to_json()
    for spec in specs:
        arrays = [sorted((store.folder(spec) / "outputs").glob("*.npz")) for store in (local, remote)]
        assert [path.read_bytes() for path in arrays[0]] == [path.read_bytes() for path in arrays[1]]
