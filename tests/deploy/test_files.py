"""The files in deploy/ say what Ray, KubeRay and fedsilo understand; nothing is started."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from fedsilo.config.scenario_reading import read

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
QUICK = ROOT / "scenarios" / "quickstart.yaml"


def document(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def test_ray_up_takes_the_cluster_on_aws() -> None:
    config = prepare_config(document("ray-cluster.yaml"))
    validate_config(config)
    assert config["available_node_types"]["head"]["resources"] == {"CPU": 0}
    assert config["available_node_types"]["gpu"]["max_workers"] == config["max_workers"]


def test_ray_up_takes_the_cluster_of_ones_own_machines() -> None:
    config = document("ray-cluster-local.yaml")
    names = config["provider"]["worker_ips"]
    assert config["min_workers"] == config["max_workers"] == len(names)
    node = {"resources": {}, "node_config": {}}
    prepared = {
        **{key: value for key, value in config.items() if key not in ("min_workers", "max_workers")},
        "max_workers": len(names),
        "available_node_types": {"local": {**node, "min_workers": len(names), "max_workers": len(names)}},
        "head_node_type": "local",
        "cluster_synced_files": [],
    }
    validate_config(prepared)  # what `ray up` makes of it, but for the state file that it would write


def test_a_key_that_ray_does_not_know_is_told() -> None:
    with pytest.raises(Exception, match="idle_minutes"):
        validate_config(prepare_config({**document("ray-cluster.yaml"), "idle_minutes": 3}))


def pods(spec: Any) -> list[Any]:
    cluster = spec["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def test_the_manifest_has_the_shape_of_kuberays_rayjob() -> None:
    job = document("kuberay-rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    known = {"entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "rayClusterSpec"}
    assert set(spec) == known
    assert set(spec["rayClusterSpec"]) == {
        "rayVersion", "enableInTreeAutoscaling", "headGroupSpec", "workerGroupSpecs"
    }  # fmt: skip
    for pod in pods(spec):
        assert all(isinstance(value, str) for value in pod["rayStartParams"].values())
        inside = pod["template"]["spec"]
        [container] = inside["containers"]
        resources = container["resources"]
        assert resources["requests"] == resources["limits"]  # Ray takes the limits for what there is
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts["shared"] == "/shared"
        volumes = {volume["name"]: volume for volume in inside["volumes"]}
        assert set(mounts) == set(volumes)
        assert volumes["shared"]["persistentVolumeClaim"] == {"claimName": "fedsilo-shared"}
        assert volumes["memory"]["emptyDir"]["medium"] == "Memory"
    head, *workers = pods(spec)
    assert head["rayStartParams"]["num-cpus"] == "0"
    for worker in workers:
        assert worker["minReplicas"] <= worker["replicas"] <= worker["maxReplicas"]
        assert worker["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def commands(text: str) -> list[list[str]]:
    """All calls of fedsilo in a text: the words after its name, up to the end of the command."""
    joined = re.sub(r"\\\n#?\s*", " ", text)
    found = re.findall(r"fedsilo ((?:run|submit|resume) [^;\n|]*)", joined)
    return [shlex.split(words) for words in found]


@pytest.mark.parametrize(
    "text",
    [
        (DEPLOY / "ray-cluster.yaml").read_text(),
        (DEPLOY / "ray-cluster-local.yaml").read_text(),
        document("kuberay-rayjob.yaml")["spec"]["entrypoint"],
    ],
    ids=["ray up", "ray up, local", "kuberay"],
)
def test_what_is_said_to_fedsilo_is_understood(text: str) -> None:
    told = [words for words in commands(text) if words[0] != "resume"]
    assert told
    for words in told:
        changes = [word for word in words if "=" in word and not word.startswith("-")]
        read(QUICK, ["actors.address=auto", *changes])


def test_versions_are_those_of_this_package() -> None:
    import ray

    import fedsilo

    assert document("kuberay-rayjob.yaml")["spec"]["rayClusterSpec"]["rayVersion"] == ray.__version__
    for path in filter(Path.is_file, DEPLOY.iterdir()):
        for version in re.findall(r"REGISTRY/fedsilo:([\d.]+)", path.read_text()):
            assert version == fedsilo.__version__, path


def test_the_image_has_what_the_build_needs_and_nothing_else() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for word in line.split()]
    assert all((ROOT / name).exists() for name in copied)
    assert {"pyproject.toml", "constraints.txt", "platform", "actors"} <= set(copied)


def test_the_batch_script_is_bash() -> None:
    script = DEPLOY / "slurm.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    done = subprocess.run(
        [str(script)], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "1"}
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "slurm.sh: no scenario is named. sbatch slurm.sh SCENARIO [KEY=VALUE]...\n"
