"""What large data sets and large grids take, as ratios within one run."""

import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from benchmarks.plan.grid import plan
from datasets.base import load_task
from datasets.domainnet import DomainNet

MOST = 2 * 10**9  # bytes of memory for a listing


def seconds(work: Callable[[], object]) -> float:
    """Of this process's own work, whatever else the machine does."""
    start = time.process_time()
    work()
    return time.process_time() - start


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("images", [11_000, pytest.param(100_000, marks=pytest.mark.thorough)])
def test_images_are_listed_and_split_in_a_few_times_what_their_lines_take(
    images: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each of DomainNet's six domains, 600,000 in all. Of sets too large for the cache no file is opened."""
    labels, folder = DomainNet.labels.split(), tmp_path / "domainnet"
    folder.mkdir()
    for domain in DomainNet.domains:
        for part, share in (("train", 0.7), ("test", 0.3)):
            lines = [
                f"{domain}/{labels[i % 345]}/{part}{i:06d}.jpg {i % 345}\n" for i in range(int(images * share))
            ]
            (folder / f"{domain}_{part}.txt").write_text("".join(lines))
    monkeypatch.setenv("BENCHMARKS_DATA", str(tmp_path))

    def bare() -> list[tuple[Path, int]]:
        lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]
        return [(folder / name, int(label)) for name, _, label in (line.rpartition(" ") for line in lines)]

    before = memory()
    least = seconds(bare)
    taken = seconds(lambda: load_task("domainnet/clipart+infograph+painting+quickdraw+sketch-real"))
    assert taken / least < 2.4
    assert memory() - before < MOST


def test_ids_of_many_runs_cost_little_more_than_their_hash() -> None:
    """Thousands share a protocol, which is written out once."""
    specs = plan("quick", ["source_only", "dann"], seeds=range(200)).specs
    texts = [json.dumps(spec.to_dict(), sort_keys=True) for spec in specs]
    assert len(specs) == len(texts) == 2000

    def hashed() -> list[str]:
        return [sha256(json.dumps(json.loads(text), sort_keys=True).encode()).hexdigest() for text in texts]

    assert seconds(lambda: [spec.run_id for spec in specs]) / seconds(hashed) < 2.5
