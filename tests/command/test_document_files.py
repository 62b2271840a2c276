"""Document files: read as JSON would be, with the line of every field."""

from pathlib import Path

import pytest

from services.command.document_files import FileDocument, FileFault, FilesError, find_files, read_files, read_text


def one(text: str) -> FileDocument:
    (found,) = read_text(text, "f.yaml")
    assert isinstance(found, FileDocument)
    return found


def faults(text: str) -> list[tuple[int, str, str]]:
    return [(item.line, item.path, item.code) for item in read_text(text, "f.yaml") if isinstance(item, FileFault)]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("2018-01-01", "2018-01-01"),
        ("no", "no"),
        ("010", "010"),
        ("12:30", "12:30"),
        (".nan", ".nan"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("<<", "<<"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("-12", -12),
        ("1.50", 1.5),
        ('"1.50"', "1.50"),
        ("'true'", "true"),
    ],
)
def test_a_scalar_is_what_json_would_make_of_it(scalar: str, value: object) -> None:
    found = one(f"a: {scalar}").raw["a"]

    assert (type(found), found) == (type(value), value)


def test_every_path_has_its_line() -> None:
    found = one("kind: rule\nspec:\n  tiers:\n    - id: a\n      max: '1'\n    - {id: b,\n       max: '2'}\n")

    assert {path: found.line_of(path) for path in ("", "kind", "spec.tiers.0.max", "spec.tiers.1.max")} == {
        "": 1,
        "kind": 1,
        "spec.tiers.0.max": 5,
        "spec.tiers.1.max": 7,
    }


def test_a_path_that_is_not_there_has_the_line_above_it() -> None:
    found = one("kind: rule\nspec:\n  tiers: []\n")

    assert found.line_of("spec.tiers.3.max") == 3
    assert found.line_of("spec.source") == 2
    assert found.line_of("id") == 1


def test_many_documents_and_lists_of_documents_are_read() -> None:
    found = list(read_text("{id: a}\n---\n---\n- {id: b}\n- id: c\n", "f.yaml"))

    assert [item.raw["id"] for item in found if isinstance(item, FileDocument)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "line", "path", "code"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, "b.c", "duplicate_field"),
        ("a: 1\nb: 1e999\n", 2, "b", "bad_value"),
        ("a: !!python/object:os.system x\n", 1, "a", "bad_tag"),
        ("a: &x [1]\nb: *x\n", 2, "b", "alias"),
        ("? [1]\n: 2\n", 1, "", "bad_field"),
        ("just text\n", 1, "", "no_document"),
        ("a: 1\nb: [\n", 3, "", "bad_yaml"),
        ("a: 1\n b: 2\n", 2, "", "bad_yaml"),
        ("a: \x00\n", 1, "", "bad_yaml"),
        ("[" * 50_000 + "]" * 50_000, 1, "", "bad_yaml"),
        ("- " * 50_000, 1, "", "bad_yaml"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, line: int, path: str, code: str) -> None:
    assert faults(text) == [(line, path, code)]


def test_a_file_that_is_no_utf_8_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes("name: 示范".encode("gb18030"))

    _, found = read_files([tmp_path / "a.yaml"])

    assert [fault.code for fault in found] == ["not_utf8"]


def test_a_folder_means_the_yaml_files_below_it_by_name(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/c.yml", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert find_files([tmp_path, tmp_path / "b.yaml"]) == [tmp_path / "a/c.yml", tmp_path / "b.yaml"]


@pytest.mark.parametrize("name", ["nothing", "."])
def test_a_path_without_files_is_wrong_use(tmp_path: Path, name: str) -> None:
    with pytest.raises(FilesError):
        find_files([tmp_path / name])
