"""TF32 is said in every process that computes, on and off; what the flags do to a GPU's numbers needs a GPU."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import fedsilo.runs.run
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.precision import set_tf32, use_tf32
from fedsilo.models.clip.views import Preprocessing
from fedsilo.runs.provenance import hash_settings
from fedsilo.runs.run import begin, go
from fedsilo_actors.client_actor import ClientActor, WorkerContext
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.resources import Resources


def flags() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    with use_tf32(False):
        yield


@pytest.mark.parametrize("allowed", [True, False])
def test_it_is_set_on_and_off_in_both_places_and_put_back(allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = True  # torch's own default, of which the numbers shall not depend
    with use_tf32(allowed):
        assert flags() == (allowed, allowed)
    assert flags() == (False, True)


@pytest.mark.usefixtures("own_log")
@pytest.mark.parametrize("allowed", [True, False])
def test_an_actor_and_an_encoder_say_it_themselves_whatever_holds_in_their_process(allowed: bool) -> None:
    set_tf32(not allowed)
    ClientActor(WorkerContext(Host((0,), Resources(0, 0), 1), "", threads=1, tf32=allowed))
    assert flags() == (allowed, allowed)

    seen: list[Any] = []

    class Tower(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(flags())
            return images.mean(dim=(2, 3))

    set_tf32(not allowed)
    ImageEncoder(Tower(), Preprocessing(2, 2, (0.0,) * 3, (1.0,) * 3), "x", tf32=allowed).encode(torch.ones(1, 3, 2, 2))
    assert seen == [(allowed, allowed)]
    assert flags() == (not allowed, not allowed)


def test_the_cpu_knows_nothing_of_it() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(128, 128, generator=generator) for _ in range(2))
    exact = a @ b
    with use_tf32(True):
        assert torch.equal(a @ b, exact)


@pytest.mark.parametrize("asked", [True, False])
def test_a_serial_run_is_held_to_what_its_scenario_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: bool
) -> None:
    seen: list[Any] = []

    def prepare(*given: Any) -> Any:  # what comes first in a run
        seen.append(flags())
        raise KeyboardInterrupt

    monkeypatch.setattr(fedsilo.runs.run, "prepare", prepare)
    scenario = from_mapping({"backbone.tf32": asked, "actors.backend": "serial", "tracking.root": str(tmp_path)})
    with pytest.raises(KeyboardInterrupt):
        go(begin(scenario))
    assert seen == [(asked, asked)]


def test_a_resumed_run_is_held_to_it() -> None:
    on, off = (hash_settings(from_mapping({"backbone.tf32": asked}), "a {}.") for asked in (True, False))
    assert on != off
