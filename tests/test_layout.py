import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


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
        run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        assert str(ROOT) not in run.stdout.split(maxsplit=1)[1]


def test_the_engine_does_not_load_ray_or_open_clip_for_a_client() -> None:
    code = (
        "import sys, fedsilo.client, fedsilo.methods.promptfl, fedsilo.warehouse, fedsilo.backbone.cached\n"
        "heavy = ('ray', 'open_clip', 'torchvision', 'pandas', 'matplotlib', 'opacus', 'sklearn', 'typer')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr
