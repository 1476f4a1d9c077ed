import os
import subprocess
import sys

import torch

from fedsilo.core.seeds import derive, numpy_generator, torch_generator


def test_a_derived_seed_is_a_fixed_number() -> None:
    assert derive(0, "batches", round=3, client=7) == derive(0, "batches", round=3, client=7)
    assert derive(1, "context") == 144280962724391091


def test_seed_purpose_round_client_and_step_all_matter() -> None:
    seeds = {
        derive(0, "a"),
        derive(1, "a"),
        derive(0, "b"),
        derive(0, "a", round=1),
        derive(0, "a", client=1),
        derive(0, "a", step=1),
        derive(0, "a", round=11),
        derive(0, "a", round=1, client=1),
    }
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_draws_do_not_depend_on_the_process() -> None:
    code = "from fedsilo.core.seeds import *; print(derive(5,'x',round=2), numpy_generator(5,'x').integers(1<<40))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1234")
    }
    assert outputs == {f"{derive(5, 'x', round=2)} {numpy_generator(5, 'x').integers(1 << 40)}\n"}


def test_torch_generators_repeat_and_leave_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    first, again = torch.randn(3, generator=torch_generator(3, "x")), torch.randn(3, generator=torch_generator(3, "x"))
    assert torch.equal(first, again)
    assert torch.equal(before, torch.get_rng_state())
