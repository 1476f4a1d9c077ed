"""Memory of client actors on one machine, with towers of growing size: the tower is there once, not once an actor.

Every row is a run of one round on a ViT of its own size with random weights, eight actors of a client each. After the
round:

    tower MB      text tower and class tokens, as they lie in the object store
    own           median of what an actor holds to itself: no page of it is another's too
    growth        of that over the first row: what a larger tower costs each actor
    shared        median of what an actor sees of pages that others see too
    all           all actors together, pages that several share counted once

Linux only (/proc). Run: python benchmarks/towers.py [--actors 8] [--widths 64 256 512 768]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import ray
import torch

from fedsilo.config.sections import Actors
from fedsilo.core import ClientTask
from fedsilo.core.batch import named
from fedsilo.core.state import to_arrays
from fedsilo.core.training_settings import Training
from fedsilo.methods.promptfl import PromptFL
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.text_tower import TextTower, TowerMeta
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation.client import ClientRules
from fedsilo.simulation.feature_store import ClientIndices, FeatureStore
from fedsilo.tasks.classification import Classification
from fedsilo_actors.client_actor import WorkerInit
from fedsilo_actors.cluster import connect_cluster
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.recovery.client_starter import ClientStarter

MB = 1e6
CLASSES, EXAMPLES, LAYERS, JOINT = 10, 8, 12, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--actors", type=int, default=8)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256, 512, 768])
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.row is not None:
        print(json.dumps(row(asked.row, asked.actors)))
        return
    print(f"{asked.actors} actors")
    print("".join(f"{title:>12}" for title in ("width", "tower MB", "own", "growth", "shared", "all")))
    first: Mapping[str, float] | None = None
    for width in asked.widths:
        found = in_a_process(width, asked.actors)
        first = first or found
        cells = [found["tower"], found["own"], found["own"] - first["own"], found["shared"], found["all"]]
        print(f"{width:>12}" + "".join(f"{cell:>12.1f}" for cell in cells), flush=True)


def in_a_process(width: int, actors: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--actors", str(actors), "--row", str(width)]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    result: dict[str, float] = json.loads(found.splitlines()[-1])
    return result


def row(width: int, actors: int) -> dict[str, float]:
    section = Actors(object_store_mb=1000)
    model = tower_of(width)
    packed = model.pack()
    method = PromptFL(context_length=4)
    with connect_cluster(section):
        supplies = WorkerInit(
            *map(ray.put, (warehouse(actors), claims(actors), packed)), ClientRules(0, Training(), 10, Classification())
        )
        hosting = ClientStarter(section, "cpu", "towers", ("",) * actors)
        hosts = [hosting.start(Host((number,), Resources(0, 0), 1), None, 0) for number in range(actors)]
        ray.get([host.supply.remote(supplies) for host in hosts])
        ray.get([host.set_method.remote(method, NoMechanism()) for host in hosts])
        task = ClientTask(0, 0, to_arrays(method.initial_shared(model, 0)))
        ray.get([host.train.remote({number: task}) for number, host in enumerate(hosts)])
        pids = ray.get([host.__ray_call__.remote(lambda self: os.getpid()) for host in hosts])
        sizes = [sizes_of(pid) for pid in pids]
    return {
        "tower": sum(tensor.nbytes for tensor in model.tower.tensors().values()) / MB,
        "own": statistics.median(size["Private_Clean"] + size["Private_Dirty"] for size in sizes),
        "shared": statistics.median(size["Shared_Clean"] + size["Shared_Dirty"] for size in sizes),
        "all": sum(size["Pss"] for size in sizes),
    }


def tower_of(width: int) -> FrozenModel:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return 0.02 * torch.randn(*shape, generator=generator)

    tensors = {"positions": draw(77, width), "projection.weight": draw(JOINT, width)}
    for name in ["norm", *(f"blocks.{layer}.norm_{number}" for layer in range(LAYERS) for number in (1, 2))]:
        tensors |= {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}
    shapes = {"qkv": (3 * width, width), "out": (width, width), "fc": (4 * width, width), "proj": (width, 4 * width)}
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            tensors |= {f"blocks.{layer}.{name}.weight": draw(*shape), f"blocks.{layer}.{name}.bias": draw(shape[0])}
    tower = TextTower(TowerMeta(max(width // 64, 1), LAYERS, 77, "quick_gelu", 1e-5), tensors)
    names = ClassTokens(draw(2 * CLASSES, width), (2,) * CLASSES, draw(width), (1,) * CLASSES)
    return FrozenModel(tower, names, 100.0, draw(CLASSES, JOINT), named(tuple(map(str, range(CLASSES)))))


def warehouse(clients: int) -> FeatureStore:
    pooled = np.random.default_rng(0).normal(size=(1, clients * EXAMPLES, JOINT)).astype(np.float32)
    features = CachedFeatures((0,), {"image": pooled})
    return FeatureStore(features, features, np.zeros(clients * EXAMPLES, dtype=np.int64))


def claims(clients: int) -> tuple[ClientIndices, ...]:
    rows = [np.arange(EXAMPLES) + number * EXAMPLES for number in range(clients)]
    return tuple(ClientIndices(number, own, own, own % CLASSES, own % CLASSES) for number, own in enumerate(rows))


def sizes_of(number: int) -> dict[str, float]:
    """MB by what /proc calls it."""
    found: dict[str, float] = {}
    for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        found[name] = int(value.split()[0]) * 1024 / MB
    return found


if __name__ == "__main__":
    main()
