"""Components of our own for these tests, so that lines can be compared whatever the shipped ones become.

They are found in the way of all components: a package per contract, a file per component.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsilo.core import Aggregation, Component, Dataset, Mechanism, Method, Partition, registry

HEAD = """
from dataclasses import dataclass
from fedsilo.core.config_fields import key
from fedsilo.core import Aggregation, Dataset, Mechanism, Method, Partition

def concrete(contract):
    return type(contract.__name__, (contract,), {name: None for name in getattr(contract, "__abstractmethods__", ())})
"""

FILES = {
    "kinds.py": "",
    "data/emblems.py": '''
@dataclass(frozen=True, slots=True)
class Emblems(concrete(Dataset)):
    """Drawn pictures."""
    classes: int = key(24, "How many classes.", within="in [2, 24]")
    domains: tuple[str, ...] = key(("photo", "sketch"), "Which domains.")
''',
    "data/folder.py": '''
@dataclass(frozen=True, kw_only=True)
class Folder(concrete(Dataset)):
    """Pictures in a folder."""
    root: str
    ratio: float = 0.8
    sizes: dict[str, int] = key(dict, "Pixels by domain.")
    crop: tuple[int, int] | None = key(None, "Height and width.")
    style: str = key("plain", "How they are cut.", "plain", "square")
    limit: int | str = key("all", "Images, or 'all'.")
    def problems(self):
        return [f"root: there is no folder '{self.root}'."] if self.root == "nowhere" else []
''',
    "partition/composed.py": '''
@dataclass(frozen=True)
class Composed(concrete(Partition)):
    """Equal parts."""
    clients: int = key(10, "Number of clients.", within=">= 1")
''',
    "partition/dirichlet.py": '''
@dataclass(frozen=True)
class Dirichlet(concrete(Partition)):
    """Label shift."""
    clients: int = key(10, "Number of clients.", within=">= 1")
    beta: float = 0.5
    def problems(self):
        return [] if self.beta > 0 else [f"beta: must be a number > 0, got {self.beta}."]
''',
    "method/promptfl.py": '''
@dataclass(frozen=True)
class PromptFL(concrete(Method)):
    """One prompt for all."""
    uploads = ("context",)
    context_length: int = key(16, "Context vectors.", within=">= 1")
''',
    "method/fedotp.py": '''
@dataclass(frozen=True)
class FedOTP(concrete(Method)):
    """Two prompts, balanced by transport."""
    uploads = ("context",)
    context_length: int = key(16, "Context vectors.", within=">= 1")
    mass: float = key(0.8, "Transported part.", within="in (0, 1]")
''',
    "method/local.py": '''
@dataclass(frozen=True)
class Local(concrete(Method)):
    """Each client alone."""
    context_length: int = key(16, "Context vectors.", within=">= 1")
''',
    "method/zero_shot.py": '''
@dataclass(frozen=True)
class ZeroShot(concrete(Method)):
    """Nothing learned."""
    trains = False
''',
    "privacy/none.py": '''
@dataclass(frozen=True)
class NoMechanism(concrete(Mechanism)):
    """No promise."""
''',
    "privacy/central.py": '''
@dataclass(frozen=True)
class Central(concrete(Mechanism)):
    """Noise on the mean."""
    clip_norm: float = key(1.0, "Largest norm.", within="> 0")
''',
    "aggregation/plain.py": '''
@dataclass(frozen=True)
class Plain(concrete(Aggregation)):
    """The mean."""
    weights: str = key("examples", "What counts.", "examples", "uniform")
''',
    "odd/raises.py": "raise RuntimeError('no such luck')\n",
    "odd/broken.py": "def (\n",
    "odd/leaves.py": "raise SystemExit(3)\n",
    "odd/plain_class.py": "class Plain(concrete(Method)):\n    pass\n",
    "odd/strange.py": """
@dataclass(frozen=True)
class Strange(concrete(Method)):
    seen: set[int] = key(set, "Not a scenario type.")

@dataclass(frozen=True)
class Fine(concrete(Method)):
    depth: int = 3

@dataclass(frozen=True)
class Refuses(concrete(Method)):
    depth: int = 3
    def __post_init__(self):
        raise ValueError(f"depth {self.depth} is never right")
""",
}

PACKAGES: dict[type[Component], str] = {
    Dataset: "lab.data",
    Partition: "lab.partition",
    Method: "lab.method",
    Mechanism: "lab.privacy",
    Aggregation: "lab.aggregation",
}


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package `lab` in it."""
    folder = tmp_path_factory.mktemp("components")
    for name, text in FILES.items():
        file = folder / "lab" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(HEAD + text)
    return folder


@pytest.fixture
def components(lab: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The registry finds the components of `lab` instead of the shipped ones."""
    sys.path.insert(0, str(lab))
    for contract, package in PACKAGES.items():
        monkeypatch.setitem(registry.PACKAGES, contract, package)
    yield
    sys.path.remove(str(lab))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
