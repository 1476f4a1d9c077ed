"""Rounds of fedsilo's clients under Flower's Ray simulation; `flower.py` starts it in Flower's own environment.

What is Flower's is its message API: a ServerApp with FedAvg, a ClientApp that takes a client's number from its node. An
actor of Flower's runs whichever client is due. It keeps what it has read, so that tower, features and clients are made
once a process; clients of PromptFL have no state of their own that would be lost between two actors. What is fedsilo's
comes from the PYTHONPATH, and what that needs (torch) from the end of `sys.path`.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

sys.path.append(os.environ["BENCHMARK_PACKAGES"])

import flwr
import numpy as np
import ray
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from timed_client import FOLDER, TimedClient

from fedsilo.core import ClientTask, EvaluationTask

client_app = ClientApp()


@client_app.train()
def train(message: Message, context: Context) -> Message:
    shared, round = received(message)
    update = client(context).train(ClientTask(round, 0, shared))
    metrics = MetricRecord({"loss": update.loss, "num-examples": update.weight})
    return Message(RecordDict({"arrays": recorded(update.tensors), "metrics": metrics}), reply_to=message)


@client_app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    shared, round = received(message)
    score = client(context).evaluate(EvaluationTask(round, shared))
    metrics = MetricRecord({"accuracy": score.own["correct"] / max(score.examples, 1), "num-examples": score.examples})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


def received(message: Message) -> tuple[dict[str, Any], int]:
    """The shared state, and the round counted from 0."""
    arrays = message.content["arrays"]
    return {name: array.numpy() for name, array in arrays.items()}, message.content["config"]["server-round"] - 1


def recorded(arrays: Mapping[str, Any]) -> ArrayRecord:
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def client(context: Context) -> TimedClient:
    return made(int(context.node_config["partition-id"]))


@cache
def made(number: int) -> TimedClient:
    world, model = read()
    ready = TimedClient(world["warehouse"].portion(world["claims"][number]), model, world["rules"])
    ready.set_method(world["method"], world["mechanism"])
    return ready


@cache
def read() -> tuple[dict[str, Any], Any]:
    world = pickle.loads((Path(os.environ[FOLDER]) / "world.pickle").read_bytes())
    torch.set_num_threads(world["threads"])
    return world, world["model"].unpack()


class Marked(FedAvg):
    """Notes when each round begins, and the shared state after each."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.began: list[float] = []
        self.shared: list[dict[str, Any]] = []

    def configure_train(self, server_round: int, *given: Any) -> Iterable[Message]:
        self.began.append(time.perf_counter())
        return super().configure_train(server_round, *given)

    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> Any:
        arrays, metrics = super().aggregate_train(server_round, replies)
        self.shared.append({name: array.numpy() for name, array in arrays.items()})
        return arrays, metrics


def main() -> None:
    folder = Path(os.environ[FOLDER])
    world, _ = read()
    server_app, clients = ServerApp(), len(world["claims"])
    strategy = Marked(min_train_nodes=clients, min_evaluate_nodes=clients, min_available_nodes=clients)

    @server_app.main()
    def serve(grid: Grid, context: Context) -> None:
        grid.pull_interval = world["pull_interval"]
        strategy.start(grid, recorded(world["initial"]), world["rounds"], train_config=ConfigRecord())

    resources = {"client_resources": {"num_cpus": 1}, "init_args": world["ray"]}
    run_simulation(server_app, client_app, clients, backend_config=resources)
    np.savez(folder / "shared.npz", *(state["context"] for state in strategy.shared))
    versions = f"Flower {flwr.__version__}, Ray {ray.__version__}, torch {torch.__version__}"
    (folder / "rounds.json").write_text(json.dumps({"began": strategy.began, "versions": versions}))
