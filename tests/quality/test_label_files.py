"""Any file of labels: read as it is meant, refused with the line and the remedy, compared with the reference."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.curation.agreement import measure_labels, show_labels
from benchmarks.curation.label_files import Labels, LabelsError, read_labels
from benchmarks.curation.reference import by_definition, reference_alpha
from benchmarks.datasets import parts


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    text = '\ufeffLabel; more;ITEM;annotator\r\nyes;"a;b";i 1; x\r\n\r\nno;;"i ""2""\nand more";y\r\n'
    found = read_labels(write(tmp_path / "l.csv", text))
    assert found.items == ("i 1", 'i "2"\nand more')
    assert found.annotators == ("x", "y")
    assert found.values == ("yes", "no")
    assert (found.numbers, found.rows, found.missing) == (None, 2, 0)


@pytest.mark.parametrize(
    ("labels", "values", "numbers", "missing"),
    [
        (["1", "2.0", "02", "1e1"], ("1", "2", "2", "10"), (1.0, 2.0, 2.0, 10.0), 0),
        (["1", "", "NA", "3.5"], ("1", "3.5"), (1.0, 3.5), 2),
        (["1", "none", "2"], ("1", "2"), (1.0, 2.0), 1),  # beside numbers it is none
        (["a", "none", "NULL"], ("a", "none"), None, 1),  # beside words it is a word
        (["1", "two"], ("1", "two"), None, 0),
        (["١", "1_0", "inf"], ("١", "1_0", "inf"), None, 0),  # what Python would take for numbers
    ],
)
def test_what_a_label_is(
    tmp_path: Path, labels: list[str], values: tuple[str, ...], numbers: tuple[float, ...] | None, missing: int
) -> None:
    rows = "".join(f"i{n},x,{label}\n" for n, label in enumerate(labels))
    found = read_labels(write(tmp_path / "l.csv", f"item,annotator,label\n{rows}"))
    assert (found.values, found.numbers, found.missing) == (values, numbers, missing)


def test_words_for_missing_are_the_users_choice(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", "item,annotator,label\ni,x,NULL\ni,y,skip\ni,z,a\n")
    assert read_labels(path).values == ("skip", "a")
    assert "'NULL' counts as missing" in read_labels(path).notes[0]
    assert read_labels(path, ["skip"]).values == ("NULL", "a")


def test_of_repeated_labels_the_last_counts(tmp_path: Path) -> None:
    found = read_labels(write(tmp_path / "l.csv", "item,annotator,label\ni,x,a\ni,x,b\ni,x,b\nj,x,a\n"))
    assert (found.values, found.repeated, found.changed) == (("b", "a"), 2, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1: '' is not a header with the columns item, annotator and label"),
        (b"i,x,a\n", "line 1: 'i,x,a' is not a header"),
        (b"item,item,annotator,label\n", "each once"),
        (b"item,annotator,label\n", "no label in 0 rows"),
        (b"item,annotator,label\ni,x,\n", "no label in 1 rows"),
        (
            b"item,annotator,label\ni,x,a\n\nj,x\n",
            'line 4: 2 fields where the header has 3; put a field that holds a ","',
        ),
        (b"item,annotator,label\ni,x,a,b\n", "line 2: 4 fields"),
        (b'item,annotator,label\n"i\nj",x,a\n ,x,a\n', "line 4: no item; fill it in"),
        (b"item,annotator,label\ni,,a\n", "line 2: no annotator"),
        (b'item,annotator,label\ni,x,a\ni,"y,b\nj,x,a\n', "line 3: unexpected end of data; double a quote"),
        (b'item,annotator,label\ni,x,"a"b\n', "line 2: ',' expected after '\"'"),
        (b"item,annotator,label\ni,x,caf\xe9\n", "line 2: byte 8 is not UTF-8; save the file as UTF-8"),
        ("item,annotator,label\n".encode("utf-16"), "the file is UTF-16; convert it"),
    ],
)
def test_a_bad_file_is_refused_by_line_with_the_remedy(
    tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "l.csv"
    path.write_bytes(content)
    with pytest.raises(LabelsError) as refused:
        read_labels(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)
    assert show_labels(path, None, None, as_json=False) == 2
    assert said in capsys.readouterr().err


def test_many_bad_lines_are_told_together_and_no_file_too(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", "item,annotator,label\n" + "i,x\n" * 9)
    with pytest.raises(LabelsError, match="and 4 more lines") as refused:
        read_labels(path)
    assert str(refused.value).count("fields where") == 5
    with pytest.raises(LabelsError, match="No such file"):
        read_labels(tmp_path / "none.csv")


FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(FIELDS, FIELDS, FIELDS), min_size=1, max_size=20),
    st.permutations(["item", "annotator", "label"]),
    st.sampled_from([",", ";", "\t"]),
)
def test_what_a_writer_of_csv_wrote_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], order: list[str], separator: str
) -> None:
    path = tmp_path_factory.mktemp("labels") / "l.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, order, delimiter=separator, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(dict(zip(("item", "annotator", "label"), row, strict=True)) for row in rows)
    stripped = [tuple(field.strip() for field in row) for row in rows]
    good = [row for row in stripped if any(row)]
    if any(not item or not person for item, person, _ in good):
        with pytest.raises(LabelsError, match=r"no (item|annotator);"):
            read_labels(path, ())
        return
    wanted = {(item, person): label for item, person, label in good if label}
    if not wanted:
        with pytest.raises(LabelsError, match="no label in"):
            read_labels(path, ())
        return
    found = read_labels(path, ())
    if found.numbers is None:
        assert dict(zip(zip(found.items, found.annotators, strict=True), found.values, strict=True)) == wanted


def labels_of(rows: list[tuple[str, str, str]]) -> Labels:
    last = {(item, person): value for item, person, value in rows}
    items, people = zip(*last, strict=True)
    return Labels(items, people, tuple(last.values()), tuple(map(float, last.values())), len(rows), 0, 0, 0, ())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*(st.sampled_from(each) for each in ("ijkl", "xyz", "1258"))), min_size=1, max_size=30))
def test_figures_equal_the_reference(rows: list[tuple[str, str, str]]) -> None:
    labels = labels_of(rows)
    figures, consensus = measure_labels(labels)
    assert set(figures["alpha"]) == {"nominal", "ordinal", "interval"}
    assert all(each["equal"] for each in figures["alpha"].values())
    assert set(consensus) == {"majority", "dawid_skene"}
    units = [
        [float(value) for at, value in zip(labels.items, labels.values, strict=True) if at == item] for item in "ijkl"
    ]
    units = [unit for unit in units if len(unit) > 1]
    for level in ("nominal", "ordinal", "interval"):
        alpha, _ = reference_alpha(labels.items, labels.annotators, list(map(float, labels.values)), level)
        if alpha is not None:
            assert by_definition(units, level) == pytest.approx(alpha, abs=1e-9)


def test_a_wrong_alpha_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "l.csv", "item,annotator,label\ni,x,a\ni,y,b\nj,x,a\nj,y,a\n")
    out = tmp_path / "out.csv"
    assert show_labels(path, None, out, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["alpha"]["nominal"]["alpha"] == pytest.approx(0.0)
    assert out.read_text("utf-8").splitlines()[0] == "item,majority,majority_share,dawid_skene,dawid_skene_share"
    monkeypatch.setattr("benchmarks.curation.agreement.reference_alpha", lambda *given: (0.1, "definition"))
    assert show_labels(path, None, None, as_json=False) == 1
    assert "NOT equal" in capsys.readouterr().out


def test_nothing_to_compare_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_labels(write(tmp_path / "l.csv", "item,annotator,label\ni,x,a\n"), None, None, as_json=False) == 0
    assert "not defined" in capsys.readouterr().out


def test_the_parts_are_the_modules_that_measure() -> None:
    assert "agreement" in parts()
    assert not {"reference", "label_files", "__init__"} & set(parts())
