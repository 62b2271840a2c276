"""Secrets come from the environment, else from a file; what is wrong is said without saying the secret."""

from pathlib import Path

import pytest

from services.secrets import MAX_BYTES, SecretError, Secrets


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "duty-room").write_text("from the file\n")
    (tmp_path / "other").write_text("  kept as it is \r\n")
    secrets = Secrets(tmp_path, {"QINGYU_SECRET_DUTY_ROOM": "from the environment"})

    assert secrets.resolve("secret:duty-room") == "from the environment"
    assert secrets.resolve("secret:other") == "  kept as it is "


def test_a_file_that_changes_counts_at_once(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, {})
    for text in ("old", "new"):
        (tmp_path / "duty").write_text(text)
        assert secrets.resolve("secret:duty") == text


@pytest.mark.parametrize("reference", ["plain-text", "secret:", "secret:../passwd", "secret:A"])
def test_what_is_no_reference_is_refused(reference: str, tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="no reference"):
        Secrets(tmp_path, {}).resolve(reference)


def test_a_missing_secret_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"QINGYU_SECRET_DUTY_ROOM nor readable in .*duty-room: No such file"):
        Secrets(tmp_path, {}).resolve("secret:duty-room")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * (MAX_BYTES + 1)])
def test_a_file_that_holds_no_secret_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "duty").write_bytes(content)
    with pytest.raises(SecretError, match="secret duty"):
        Secrets(tmp_path, {}).resolve("secret:duty")
