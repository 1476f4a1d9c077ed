import ast
import json
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


STAGES = {
    "client": (
        "fedsilo.simulation.client, fedsilo.methods.promptfl, fedsilo.simulation.feature_store, "
        "fedsilo.models.clip.cached_encoding",
        {"ray", "scipy"},
    ),
    "tail of a tower": (
        "fedsilo.models.clip.stored_features, fedsilo.models.clip.image_tail, fedsilo.models.prompts.frozen_model",
        {"ray", "scipy"},
    ),
    "host": ("fedsilo_actors.client_actor", {"scipy", "PIL", "omegaconf", "torch._dynamo", "torch._inductor"}),
    "components of a client": (EVERY_COMPONENT, {"scipy.optimize", "PIL", "omegaconf", "torch._dynamo"}),
    "actors": ("fedsilo_actors.coordinator", {"timm"}),
    "pixels": ("fedsilo.models.clip.pixels", set()),
}
"""What is imported one after the other, and what is not loaded then beside `HEAVY`; pixels need torchvision."""

HEAVY = {"open_clip", "torchvision", "pandas", "matplotlib", "opacus", "sklearn", "typer"}


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """The heavy modules that a process has loaded after each stage."""
    every = {name for _, more in STAGES.values() for name in HEAVY | more}
    code = "import json, sys\nfound = {}\n" + "".join(
        f"import {modules}\nfound[{stage!r}] = [name for name in {sorted(every)} if name in sys.modules]\n"
        for stage, (modules, _) in STAGES.items()
    )
    run = subprocess.run([sys.executable, "-c", f"{code}print(json.dumps(found))"], capture_output=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr.decode()
    found: dict[str, list[str]] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_what_encodes_images_and_draws_is_not_loaded_for_a_client(loaded: dict[str, list[str]], stage: str) -> None:
    heavy = HEAVY | STAGES[stage][1]
    assert set(loaded[stage]) & heavy <= ({"torchvision"} if stage == "pixels" else set())


ROOMS = {"platform/fedsilo": "tests", "actors/fedsilo_actors": "tests/actors"}
"""The tests of each package, in rooms of the same names."""

SMALL = 3
"""Statements of a function's body up to which a module has no logic of its own."""

ELSEWHERE = ROOT / "tests" / "tested_elsewhere.txt"
"""Modules without a test file of their name, each with the test file that covers it. A line leaves, none is added."""

MOST_ELSEWHERE = 14


def longest_body(path: Path) -> int:
    """The statements of the module's longest function, without docstrings."""
    functions = [
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return max((len(n.body) - bool(ast.get_docstring(n)) for n in functions), default=0)


def imported_names(path: Path) -> set[str]:
    """Every module that the file imports or starts, at its top or inside; also names of modules of packages."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)  # `python -m MODULE` in a process of its own
    return found


@pytest.fixture(scope="module")
def modules() -> dict[str, Path]:
    """The file of each module and package of both source roots."""
    return {
        ".".join(path.relative_to((ROOT / room).parent).with_suffix("").parts).removesuffix(".__init__"): path
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.name != "__main__.py"
    }


def mirrored(path: Path) -> Path:
    """The test file of the same name in the mirrored room."""
    room = next(room for room in ROOMS if path.is_relative_to(ROOT / room))
    inside = path.relative_to(ROOT / room)
    return ROOT / ROOMS[room] / inside.parent / f"test_{inside.name}"


def read_elsewhere() -> dict[str, Path]:
    lines = [line for line in ELSEWHERE.read_text().splitlines() if line and not line.startswith("#")]
    return {module: ROOT / test for module, _, test in (line.partition(": ") for line in lines)}


def test_every_module_with_logic_has_a_test_file_of_its_name(modules: dict[str, Path]) -> None:
    logic = {name for name, path in modules.items() if longest_body(path) > SMALL and path.stem != "__init__"}
    alone = {name for name in logic if not mirrored(modules[name]).exists()}
    listed = read_elsewhere()
    assert len(logic) > 300
    missing = [f"{name}: write {mirrored(modules[name]).relative_to(ROOT)}" for name in sorted(alone - listed.keys())]
    assert not missing, "\n".join(missing)
    assert not sorted(listed.keys() - alone), f"take these out of {ELSEWHERE.name}"
    assert len(listed) <= MOST_ELSEWHERE


def test_what_is_tested_elsewhere_is_reached_from_there(modules: dict[str, Path]) -> None:
    """By imports of the test file and its fixtures, and by imports of what these import, or by a component's name."""
    imports = {name: imported_names(path) & modules.keys() for name, path in modules.items()}
    unreached = []
    for name, test in read_elsewhere().items():
        reached: set[str] = set()
        rooms = [
            folder for folder in test.parents if folder.is_relative_to(ROOT / "tests") and folder != ROOT / "tests"
        ]
        shared = [folder / "conftest.py" for folder in rooms if (folder / "conftest.py").exists()]
        names = set[str]().union(*map(imported_names, [test, *shared]))
        left = {module for module in modules if module in names or module.rpartition(".")[2] in names}
        while left:
            reached |= left
            left = {inner for module in left for inner in imports[module]} - reached
        if name not in reached:
            unreached.append(f"{name}: {test.relative_to(ROOT)} does not reach it")
    assert not unreached, "\n".join(unreached)


def test_no_module_is_longer_than_can_be_read_in_one_go(modules: dict[str, Path]) -> None:
    long = {name: lines for name, path in modules.items() if (lines := path.read_text().count("\n")) > 300}
    assert not long, "split these by what they hold"
