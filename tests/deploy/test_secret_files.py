"""Secrets are made on first use, differ everywhere, are kept, and lie where nobody else can reach them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.secret_files import NOTIFIER, SECRETS, SecretError, main, make_secrets

ROOT = Path(__file__).parents[2]


def _read(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in SECRETS}


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert make_secrets(folder) == list(SECRETS)
    first = _read(folder)
    assert make_secrets(folder) == []
    assert _read(folder) == first


def test_no_secret_has_a_default_or_is_like_another(tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "other"
    for folder in folders:
        make_secrets(folder)
    found = [secret for folder in folders for secret in _read(folder).values()]
    assert len(set(found)) == 2 * len(SECRETS)
    assert all(len(secret) >= 40 and not set(secret) & set(" \n\"'$") for secret in found)


def test_only_the_owner_can_enter_the_folder_and_containers_can_read_a_file_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)
    mask = os.umask(0o077)
    try:
        make_secrets(folder)
    finally:
        os.umask(mask)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {(folder / name).stat().st_mode & 0o777 for name in SECRETS} == {0o444}
    assert sorted(path.name for path in folder.iterdir()) == sorted([*SECRETS, NOTIFIER])


def test_a_secret_that_somebody_put_there_is_used(tmp_path: Path) -> None:
    (tmp_path / "operator_token").write_text("of-our-own")
    assert "operator_token" not in make_secrets(tmp_path)
    assert (tmp_path / "operator_token").read_text() == "of-our-own"


@pytest.mark.parametrize("kind", ["empty", "link", "folder"])
def test_what_is_no_secret_is_an_error_that_names_it(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "influx_admin_token"
    if kind == "empty":
        file.touch()
    elif kind == "link":
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file.mkdir()
    with pytest.raises(SecretError, match="influx_admin_token"):
        make_secrets(tmp_path)
    assert main(["--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_bare_python_makes_them_and_says_how_to_log_in(tmp_path: Path) -> None:
    # -S -I: nothing but the standard library, and not this environment.
    command = [sys.executable, "-S", "-c", "import runpy, sys; sys.path.insert(0, '.'); sys.argv[0] = 'x'; "
               "runpy.run_module('deploy.secret_files', run_name='__main__')"]  # fmt: skip
    made = subprocess.run(
        [*command, "--folder", str(tmp_path / "s")], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert made.returncode == 0, made.stderr
    assert all(name in made.stdout for name in SECRETS)
    assert all(secret not in made.stdout for secret in _read(tmp_path / "s").values())
    said = subprocess.run([*command, "--how-to"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    for needed in ("8000", "8001", "3000", "operator_token", "grafana_admin_password", "docs/compose.md"):
        assert needed in said.stdout


def test_git_ignores_them() -> None:
    path = "var/secrets/operator_token"
    done = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0
