"""The image, checked without a container engine: its sources, its locked wheels, its start script, its health check."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from deploy import healthy
from services.health import HealthServer

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
ENTRYPOINT = ROOT / "deploy" / "entrypoint.sh"


def _instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their lines joined, without remarks."""
    lines = [line for line in DOCKERFILE.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def test_its_base_is_one_slim_python_by_exact_tag() -> None:
    bases = {rest.split()[0] for word, rest in _instructions() if word == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", bases.pop())


def test_it_copies_only_what_is_there_and_what_the_build_may_see() -> None:
    seen = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for word, rest in _instructions():
        if word == "COPY" and "--from=" not in rest:
            *sources, _ = [part for part in rest.split() if not part.startswith("--")]
            for source in sources:
                assert (ROOT / source).exists(), source
                assert source.split("/")[0] in seen, source


def test_it_has_every_package_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {rest.split()[0] for word, rest in _instructions() if word == "COPY" and "--from=" not in rest}
    assert set(packages) <= copied


def test_it_runs_without_root_and_without_development_dependencies() -> None:
    users = [rest for word, rest in _instructions() if word == "USER"]
    assert users == ["10001:0"]
    syncs = [rest for word, rest in _instructions() if word == "RUN" and "uv sync" in rest]
    assert syncs
    assert all("--frozen" in one and "--no-dev" in one for one in syncs)


def test_it_brings_the_uv_that_make_brings() -> None:
    wanted = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert wanted is not None
    assert f"uv=={wanted[1]}" in DOCKERFILE


def _wheels_needed() -> dict[str, list[str]]:
    """By name, the wheels of what `uv sync --no-dev` takes from the lock; some packages are there in two versions."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for one in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]:
        packages.setdefault(one["name"], []).append(one)
    needed: dict[str, list[str]] = {}
    waiting = ["qingyu"]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            found = packages[name]
            needed[name] = [wheel["url"].rpartition("/")[2] for one in found for wheel in one.get("wheels", ())]
            dependencies = [each for one in found for each in one.get("dependencies", ())]
            waiting += [each["name"] for each in dependencies if "win32" not in each.get("marker", "")]
    del needed["qingyu"]
    return needed


@pytest.mark.parametrize(("machine", "compiled"), [("x86_64", []), ("aarch64", ["faust-streaming"])])
def test_every_locked_dependency_has_a_wheel_or_is_known_to_need_a_compiler(machine: str, compiled: list[str]) -> None:
    fitting = re.compile(
        rf"-(py3|py2\.py3|cp311)-none-any\.whl|-(cp3\d+-abi3|cp311-cp311)-[^-]*manylinux[^-]*_{machine}[^-]*\.whl"
        rf"|-py3-none-[^-]*manylinux[^-]*_{machine}[^-]*\.whl"
    )
    needed = _wheels_needed()
    assert len(needed) > 40
    assert [name for name, wheels in needed.items() if not any(map(fitting.search, wheels))] == compiled


def _started(tmp_path: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ENTRYPOINT), *command], env={"PATH": os.environ["PATH"], **environment}, cwd=tmp_path,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_its_start_script_reads_settings_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a b$(id)'\"\n")
    script = 'printf "%s|%s|%s" "$QINGYU_INFLUX_TOKEN" "${QINGYU_INFLUX_TOKEN_FILE-unset}" "$QINGYU_KAFKA"'
    files = {"QINGYU_INFLUX_TOKEN_FILE": str(tmp_path / "token")}
    done = _started(tmp_path, "sh", "-c", script, QINGYU_KAFKA="kafka:9092", **files)
    assert done.stdout == "a b$(id)'\"|unset|kafka:9092"


def test_its_start_script_says_which_file_is_missing(tmp_path: Path) -> None:
    done = _started(tmp_path, "true", QINGYU_OPERATOR_TOKEN_FILE="/nowhere/token")
    assert done.returncode == 2
    assert done.stderr.startswith("error: QINGYU_OPERATOR_TOKEN_FILE names /nowhere/token")


def test_its_start_script_becomes_the_process_so_that_signals_reach_it(tmp_path: Path) -> None:
    done = _started(tmp_path, "sh", "-c", "exit 75")
    assert done.returncode == 75
    assert ENTRYPOINT.read_text().rstrip().endswith('exec "$@"')
    assert os.access(ENTRYPOINT, os.X_OK)


def test_its_health_check_tells_a_process_that_answers_from_one_that_does_not() -> None:
    with HealthServer("127.0.0.1", 0, lambda: (False, {})) as server:
        port = server.port
        assert healthy.main([str(port)]) == 0
    assert healthy.main([str(port)]) == 1
    assert healthy.main([]) == healthy.main(["0"]) == healthy.main(["http://x"]) == 2


@pytest.mark.timeout(600)
def test_what_its_build_installs_runs_without_the_sources(tmp_path: Path) -> None:
    """The build's own command into a folder of its own: dependencies from uv's cache, the project as a wheel."""
    uv = os.environ.get("UV") or _program("uv")
    target = tmp_path / "qingyu"
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(target), "UV_LINK_MODE": "symlink"}
    environment.pop("VIRTUAL_ENV", None)
    sync = [uv, "sync", "--frozen", "--no-dev", "--no-editable", "--quiet", "--python", sys.executable]
    subprocess.run(sync, cwd=ROOT, env=environment, timeout=240, check=True)
    bare = {"PATH": f"{target / 'bin'}:/usr/bin:/bin", "QINGYU_OPERATOR_TOKEN_FILE": str(ROOT / "LICENSE")}
    shown = subprocess.run(
        [str(ENTRYPOINT), "qingyu", "--help"], cwd=tmp_path, env=bare, capture_output=True, text=True, timeout=60
    )
    assert shown.returncode == 0, shown.stderr
    assert "serve" in shown.stdout
    packed = subprocess.run(
        ["python", "-c", "import services.simulator.city as c; print(len(c.city_documents()), c.__file__)"],
        cwd=tmp_path, env=bare, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    count, _, path = packed.stdout.strip().partition(" ")
    assert int(count) > 60
    assert path.startswith(str(target))
    assert not (target / "bin" / "pytest").exists()


def _program(name: str) -> str:
    # make has brought it to one of these.
    for folder in (*os.environ["PATH"].split(os.pathsep), str(ROOT / ".tools" / "bin")):
        if os.access(Path(folder) / name, os.X_OK):
            return str(Path(folder) / name)
    raise AssertionError(f"{name} is neither on PATH nor in .tools/bin: run make setup")
