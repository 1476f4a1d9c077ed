import platform
import subprocess
import sys
from pathlib import Path

import pytest

from fedsilo.core import Aggregation, Mechanism, Method
from fedsilo.core.registry import PACKAGES, names

ROOT = Path(__file__).resolve().parent.parent
EVERY_COMPONENT = ", ".join(
    f"{PACKAGES[contract]}.{name}" for contract in (Method, Mechanism, Aggregation) for name in names(contract)
)


def test_platform_is_a_source_root_and_no_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert not (ROOT / "tests" / "platform").exists()
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_platform_here_is_the_standard_library_s() -> None:
    assert Path(platform.__file__).is_relative_to(Path(sys.base_prefix))
    assert platform.system()


def test_platform_from_the_repository_root_is_the_standard_library_s() -> None:
    code = "import platform; print(platform.system(), platform.__file__)"
    for folder in (ROOT, ROOT / "platform", ROOT / "platform" / "fedsilo"):
        run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert str(ROOT) not in run.stdout.split(maxsplit=1)[1]


@pytest.mark.parametrize(
    ("modules", "more"),
    [
        (
            "fedsilo.simulation.client, fedsilo.methods.promptfl, fedsilo.simulation.feature_store, "
            "fedsilo.models.clip.cached_encoding",
            {"ray", "scipy"},
        ),
        ("fedsilo_actors.client_actor", {"scipy", "PIL", "omegaconf", "torch._dynamo", "torch._inductor"}),
        (f"fedsilo_actors.client_actor, {EVERY_COMPONENT}", {"scipy.optimize", "PIL", "omegaconf", "torch._dynamo"}),
        ("fedsilo_actors.client_actor, fedsilo_actors.coordinator", {"timm"}),
    ],
    ids=["client", "host", "components of a client", "actors"],
)
def test_what_encodes_images_and_draws_is_not_loaded_for_a_client(modules: str, more: set[str]) -> None:
    heavy = {"open_clip", "torchvision", "pandas", "matplotlib", "opacus", "sklearn", "typer"} | more
    code = f"import sys, {modules}\nprint([name for name in {sorted(heavy)} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr
