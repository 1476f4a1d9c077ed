"""How much faster FedOTP's and DP-FPL's local step and round are here than in a plain loop that does the same.

The plain loop (`plain_methods.py`) does what the released trainers do: images encoded online, 77 text tokens per class,
transport with diagonal matrices, one client after the other. Ours trains a real client: cached features, the fast text
tower, element-wise transport, optimiser step, protection and packing of the update included; a round of ten clients
goes through the serial backend, the aggregation and the server's step. Logits and gradients of both are compared.
ViT-B-16 with random weights, 100 classes, 16 context tokens, batch 32, CPU, both in one run, one after the other.

`--only transport` compares FedOTP's solvers instead: Newton's method, exact, against the sweeps at their default stop,
in seconds of this thread's processor time, taken in turns. More than 2 repetitions are better there: 7, say.

Run: python benchmarks/methods.py [--repetitions 2] [--threads 1] [--clients 10] [--only FedOTP]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from statistics import median

import numpy as np
import torch
from plain_methods import TOLERANCE, PlainModel, PlainStep, dpfpl_step, fedotp_step
from text_tower import BATCH, CLASSES, CONTEXT, MODEL
from torch import Tensor

from fedsilo.aggregation.plain import Plain
from fedsilo.core import ClientTask, Indices
from fedsilo.core.batch import IMAGE, PATCHES, named
from fedsilo.core.round_work import LocalWork, ServerWork
from fedsilo.core.state import to_arrays, to_tensors
from fedsilo.core.training_settings import Training
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.fedotp import FedOTP
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.class_tokens import embed_class_names, format_name
from fedsilo.models.clip.conversion import extract_text_tower
from fedsilo.models.clip.weights import create
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.models.prompts.optimal_transport import Transport
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation.client import Client, ClientRules
from fedsilo.simulation.feature_store import ClientIndices, FeatureStore
from fedsilo.simulation.serial import SerialBackend
from fedsilo.tasks.classification import Classification
from fedsilo.training.recipes import Recipe

GOALS = {"FedOTP": 20.0, "DP-FPL": 25.0}
ALLOWED_ERROR = 1e-4

PlainMethod = Callable[[PlainModel, Tensor, Tensor, Tensor, Tensor], PlainStep]


@dataclass(frozen=True, eq=False, slots=True)
class World:
    """The same model, images and labels for both ways; client c holds images c * BATCH and on."""

    plain: PlainModel
    model: FrozenModel
    images: Tensor
    warehouse: FeatureStore
    clients: int

    @classmethod
    def make(cls, clients: int) -> World:
        """Draws images and labels, and encodes the images for our way, which is not timed."""
        generator = torch.Generator().manual_seed(0)
        loaded, tokenizer = create(Backbone(MODEL, "random"), seed=0)
        plain = PlainModel(loaded, tokenizer([f"{'X ' * CONTEXT}{format_name(name)}." for name in CLASSES]))
        tower = extract_text_tower(loaded)
        tokens = embed_class_names(
            CLASSES, tokenizer, loaded.token_embedding.weight.detach(), None, tower.meta.context_length
        )
        model = FrozenModel(tower, tokens, plain.scale, torch.zeros(len(CLASSES), 512), named(tuple(CLASSES)))
        images = torch.randn(clients * BATCH, 3, 224, 224, generator=generator)
        rows = torch.cat([plain.image(part) for part in images.split(BATCH)]).numpy()
        labels = torch.randint(len(CLASSES), (len(images),), generator=generator).numpy()
        features = CachedFeatures((0,), {IMAGE: rows[None, :, 0].copy(), PATCHES: rows[None, :, 1:].copy()})
        return cls(plain, model, images, FeatureStore(features, features, labels), clients)

    def claim(self, client: int, own: Indices) -> ClientIndices:
        """Returns what a client holds: the same images to learn from and to be measured on."""
        labels = self.warehouse.test_labels[own]
        return ClientIndices(client, own, own, labels, labels)

    def own(self, client: int) -> tuple[Tensor, Tensor]:
        """Returns one client's images and labels."""
        part = slice(client * BATCH, (client + 1) * BATCH)
        return self.images[part], torch.from_numpy(self.warehouse.test_labels[part])


def backend_of(world: World, method: Recipe) -> SerialBackend:
    """Returns real clients of a method, one batch each."""
    training = Training(rounds=1, batch_size=BATCH)
    rules = ClientRules(0, training, 100, Classification())
    positions = [np.arange(c * BATCH, (c + 1) * BATCH) for c in range(world.clients)]
    backend = SerialBackend(
        [Client(world.warehouse.portion(world.claim(c, own)), world.model, rules) for c, own in enumerate(positions)]
    )
    backend.set_method(method, NoMechanism())
    return backend


def our_round(world: World, method: Recipe, backend: SerialBackend, clients: int) -> float:
    """Returns the seconds of one exchange of some clients: training, aggregation, server step."""
    shared = method.initial_shared(world.model, 0)
    started = time.perf_counter()
    updates = backend.train({c: ClientTask(0, 0, to_arrays(method.download(shared, c))) for c in range(clients)})
    mean = Plain().combine(updates, method.uniform)
    method.server_step(ServerWork(shared, mean, {}, (BATCH,) * clients, Training(batch_size=BATCH), 0, 0))
    return time.perf_counter() - started


def plain_round(world: World, method: Recipe, step: PlainMethod, clients: int) -> float:
    """Returns the seconds of the same by the plain loop; its SGD steps and average are negligible and left out."""
    contexts = _contexts(world, method)
    started = time.perf_counter()
    for client in range(clients):
        step(world.plain, *contexts, *world.own(client))
    return time.perf_counter() - started


def errors(world: World, method: Recipe, step: PlainMethod) -> tuple[float, float]:
    """Returns the relative errors of our logits and gradients on client 0's batch."""
    shared, private = method.initial_shared(world.model, 0), method.initial_private(world.model, 0, 0)
    images, labels = world.own(0)
    reference = step(world.plain, *_contexts(world, method), images, labels)
    features = world.warehouse.portion(world.claim(0, np.arange(BATCH))).train
    work = LocalWork(
        model=world.model,
        task=Classification(),
        features=features,
        labels=labels,
        shared=to_tensors(to_arrays(shared)),
        private=private,
        training=Training(batch_size=BATCH),
        mechanism=NoMechanism(),
        seed=0,
        client=0,
        round=0,
        exchange=0,
    )
    start = method.strategy.together(work.shared, work.private, method.learner)
    _, gradients = method.local(work).gradients(start, work.everything())
    with torch.no_grad():
        logits = method.predictor(world.model, shared, private)(features.batch(np.arange(BATCH), 0))
    common = [name for name in reference.gradients if name in gradients]
    return _error(logits, reference.logits), max(_error(gradients[n], reference.gradients[n]) for n in common)


def _contexts(world: World, method: Recipe) -> tuple[Tensor, Tensor]:
    (shared,) = method.initial_shared(world.model, 0).values()
    (private,) = method.initial_private(world.model, 0, 0).values()
    return shared, private


def _error(value: Tensor, reference: Tensor) -> float:
    return float((value - reference).norm() / reference.norm())


def compare_solvers(repetitions: int) -> None:
    """Prints how many times as fast Newton's method is as the sweeps on drawn similarities, and where it is slower."""
    generator = torch.Generator().manual_seed(0)
    print(
        f"transport, 2,400 problems of 49 patches or 400 larger ones, median of {repetitions} ratios: sweeps / newton"
    )
    grid = list(product((2, 3, 4), (49, 196, 576), (0.1, 0.8, 0.9999, 1.0), (1.0, 0.1, 0.01, 0.005), (0.02, 0.05)))
    slower = {}
    for prompts, patches, gamma, epsilon, spread in grid:
        count = 2400 if patches == grid[0][1] else 400
        common = 0.2 + spread * torch.randn(1, count, patches, generator=generator)
        similarity = common + spread / 2 * torch.randn(prompts, count, patches, generator=generator)
        sweeps, newton = (Transport(gamma, epsilon, solver=solver) for solver in ("sweeps", "newton"))
        ratios = []
        for _ in range(repetitions):
            began = time.thread_time()
            sweeps.plan(similarity.movedim(0, -1))
            between = time.thread_time()
            newton.plan(similarity.movedim(0, -1))
            ratios.append((between - began) / (time.thread_time() - between))
        case = f"{prompts} prompts, {patches:3} patches, gamma {gamma:6g}, epsilon {epsilon:5g}, spread {spread:g}"
        print(f"{case}: {median(ratios):5.2f}x", flush=True)
        if median(ratios) < 1:
            slower[case] = median(ratios)
    print(f"Newton is slower in {len(slower)} of {len(grid)} cases:")
    for case, ratio in sorted(slower.items(), key=lambda each: each[1]):
        print(f"{case}: {ratio:5.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="torch threads; a client has 1 by default")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--only", choices=[*GOALS, "transport"], help="one of the two methods, or the solvers")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.only == "transport":
        compare_solvers(chosen.repetitions)
        return
    world = World.make(chosen.clients)
    print(
        f"{MODEL}, random weights, {len(CLASSES)} classes, {CONTEXT} context tokens, batch {BATCH}, fp32, CPU, "
        f"{chosen.threads} thread(s), median of {chosen.repetitions} repetitions"
    )
    print(f"{'':<28} {'plain':>10} {'ours':>10} {'ratio':>8}")
    methods: dict[str, tuple[Recipe, PlainMethod]] = {
        "FedOTP": (FedOTP(tolerance=TOLERANCE), fedotp_step),
        "DP-FPL": (DPFPL(), dpfpl_step),
    }
    for name, (method, step) in methods.items():
        if chosen.only not in (None, name):
            continue
        backend = backend_of(world, method)
        our_round(world, method, backend, 1)  # what is made once per run is not part of a step
        for what, clients in (("local step", 1), (f"round of {chosen.clients} clients", chosen.clients)):
            ours, plain = [], []
            for _ in range(chosen.repetitions if clients == 1 else 1):
                ours += [our_round(world, method, backend, clients) for _ in range(2)]
                plain.append(plain_round(world, method, step, clients))
                ours.append(our_round(world, method, backend, clients))
            ratio = median(plain) / median(ours)
            verdict = f"goal {GOALS[name]:.0f}x {'met' if ratio >= GOALS[name] else 'MISSED'}"
            title = f"{name}, {what}"
            print(f"{title:<28} {median(plain):8.2f} s {median(ours):8.3f} s {ratio:7.1f}x   {verdict}", flush=True)
        logits, gradient = errors(world, method, step)
        verdict = "within" if max(logits, gradient) <= ALLOWED_ERROR else "ABOVE"
        print(
            f"{name}: relative error of ours: logits {logits:.1e}, gradient {gradient:.1e}, {verdict} {ALLOWED_ERROR:g}"
        )


if __name__ == "__main__":
    main()
