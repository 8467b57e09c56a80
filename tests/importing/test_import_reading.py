"""Files of every unpleasant kind: what can be read is read, what cannot is refused with its line, nothing crashes."""

import gzip
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.importing import lines, tables
from glow_pipelines.importing.batches import Batch, Batches
from glow_pipelines.importing.canonical import encode
from glow_pipelines.importing.formats import make_parser, read
from glow_pipelines.importing.lines import read_json
from glow_pipelines.importing.records import Options, Refusal, Row, Unacceptable
from glow_pipelines.importing.sources import ImportFailed, Source, import_id, open_source
from glow_pipelines.importing.tables import read_csv, read_parquet

GOOD = b'{"execution_id":"e","user_id":"u","thumbs":1}'
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def file(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))  # type: ignore[arg-type]


def results(content: bytes) -> tuple[list[int], dict[int, str]]:
    """Lines that gave rows, and lines that were refused with their message."""
    batches = Batches("f" * 64, make_parser("jsonl", Options("desk"), ""))
    rows: list[int] = []
    refused: dict[int, str] = {}
    for batch in batches.of(read_json(file(content)), lambda: 0):
        rows += [line for each in batch.kinds.values() for line in each.lines]
        refused |= {each.line: each.message for each in batch.refusals}
        assert all(json.loads(each.payload) is not None for each in batch.refusals)
        assert all("\0" not in json.loads(f"[{each.payload}]").__repr__() for each in batch.refusals)
    return rows, refused


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        (b"not json", "not valid JSON"),
        (b'{"a": 1', "not valid JSON"),
        (b'{"a": 1} {"b": 2}', "more than one JSON value"),
        (b"[1, 2]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"comment": "\xff\xfe"}', "byte 14 of the line is not valid UTF-8"),
        (b'{"comment": "a\x00b"}', "not valid JSON: Invalid control character"),
        (b'{"execution_id":"e","user_id":"u","comment":"a\\u0000b"}', "text: "),
        (b'{"execution_id":"e","user_id":"u","comment":"\\ud800"}', "text: "),
        (b'{"execution_id":"e","user_id":"u","rating":NaN}', "number: 'NaN'"),
        (b'{"execution_id":"e","user_id":"u","rating":-Infinity}', "number: '-Infinity'"),
        (b'{"execution_id":"e","input":"i","output":"o","cost_usd":1e999}', "cost_usd: 'inf'"),
        (b'{"execution_id":"e","user_id":"u","dimensions":{"clarity":1e999}}', "number: 'NaN or infinity'"),
        (b'{"rating": ' + b"9" * 5000 + b"}", "a number of too many digits"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "JSON nested too deep"),
        (b'{"execution_id":"e","input":"i","output":"o","metadata":' + b'{"a":' * 99 + b"1" + b"}" * 100, "row: "),
        (b'{"execution_id":"e","user_id":"u","thumbs":"up"}', "thumbs: 'up'"),
        (b'{"execution_id":{"a":1},"user_id":"u","thumbs":1}', "execution_id: "),
        (b"{}", "columns: "),
        (b"\xef\xbb\xbf" + GOOD, "not valid JSON"),  # a byte order mark anywhere but at the beginning of the file
    ],
)
def test_a_poisoned_line_is_refused_and_the_others_are_not(poison: bytes, message: str) -> None:
    rows, refused = results(b"\n".join([GOOD, poison, b"", GOOD]))
    assert rows == [1, 4]
    assert list(refused) == [2]
    assert message in refused[2]


def test_a_refusal_shows_the_row_but_no_endless_one() -> None:
    batches = Batches("f" * 64, make_parser("jsonl", Options(), ""))
    (batch,) = batches.of([(1, {"execution_id": "e", "rating": "x", "comment": "c" * 10**6})], lambda: 0)
    (refusal,) = batch.refusals
    assert 10_000 < len(refusal.payload) < 30_000


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data() -> None:
    assert results(b"\xef\xbb\xbf" + GOOD + b"\r\n" + GOOD + b"\r\n") == ([1, 2], {})


def test_utf16_is_named() -> None:
    with pytest.raises(ImportFailed, match="UTF-16"):
        list(read_json(file(GOOD.decode().encode("utf-16"))))


def test_a_line_too_long_is_refused_and_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 1000)
    long = b'{"execution_id":"e","user_id":"u","comment":"' + b"x" * 5000 + b'"}'
    rows, refused = results(b"\n".join([GOOD, long, GOOD, long]))
    assert rows == [1, 3]
    assert set(refused) == {2, 4}
    assert "above 1000 bytes" in refused[2]
    rows, refused = results(b"\n".join([long, GOOD]))
    assert (rows, set(refused)) == ([2], {1})


def test_a_document_is_read_whole_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = (b"[%b, %b]", b" [\n%b,\n%b\n]\n", b'{"data": [%b, %b], "meta": {}}', b'{\n"data": [%b, %b]\n}')
    for document in documents:
        found = list(read_json(file(document % (GOOD, GOOD))))
        assert [number for number, _ in found] == [1, 2]
        assert found[1][1] == json.loads(GOOD)
    assert [number for number, _ in read_json(file(b"[1, %b]" % GOOD), after=1)] == [2]
    monkeypatch.setattr(lines, "LARGEST_DOCUMENT", 20)
    with pytest.raises(ImportFailed, match="JSON Lines"):
        list(read_json(file(b"[%b, %b]" % (GOOD, GOOD))))


@pytest.mark.parametrize("document", [b"[{]", b'{\n"a": \xff}', b"[" * 100_000, b'[{"a": NaN}]'])
def test_a_broken_document_is_an_error_that_says_where(document: bytes) -> None:
    with pytest.raises(ImportFailed):
        list(read_json(file(document)))


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=6))
def test_lines_are_read_as_they_were_written_from_any_line_on(records: list[dict[str, object]]) -> None:
    content = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    if len(records) == 1 and any(isinstance(value, list) for value in records[0].values()):
        return  # an object that only wraps a list is that list
    for after in range(len(records) + 1):
        assert list(read_json(file(content), after)) == list(enumerate(records, 1))[after:]


@given(st.dictionaries(st.sampled_from(("comment", "channel", "metadata", "x")), json_values, max_size=4))
def test_the_same_content_has_the_same_key_however_it_is_written(payload: dict[str, object]) -> None:
    def written(ordered: dict[str, object]) -> bytes | str:
        try:
            return encode(Row("feedback", ordered))
        except Unacceptable as error:
            return str(error.field)

    again = json.loads(json.dumps(dict(reversed(payload.items())), indent=2))
    assert written(payload) == written(again)
    if isinstance(found := written(payload), bytes) and payload:
        said = json.loads(found)
        key = said.pop("idempotency_key")
        assert said == payload
        assert key.startswith("import:")
        batch = Batch(b"f", line=1)
        batch.add(1, 0, "feedback", found)
        (sent,) = batch.copy_lines()
        assert sent.count(b"\n") == 1


def test_keys_differ_by_kind_and_content_and_a_given_one_stays() -> None:
    rows = [
        Row("feedback", {"agent": "a"}),
        Row("annotation", {"agent": "a"}),
        Row("feedback", {"agent": "b"}),
        Row("feedback", {"agent": "b", "idempotency_key": "mine"}),
    ]
    keys = [json.loads(encode(row))["idempotency_key"] for row in rows]
    assert len(set(keys)) == 4
    assert keys[3] == "mine"


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert json.loads(encode(Row("feedback", {"comment": "\\u0000"})))["comment"] == "\\u0000"
    with pytest.raises(Unacceptable):
        encode(Row("feedback", {"comment": "\\\0"}))


def test_csv_rows_have_the_number_of_the_line_they_begin_at() -> None:
    content = b'execution_id,comment\r\ne1,"two\r\nlines"\r\n\r\ne2,b,c\r\ne3,\xff\r\ne4,\x00\r\n'
    found = dict(read_csv(file(content)))
    assert list(found) == [2, 5, 6, 7]
    assert found[2] == {"execution_id": "e1", "comment": "two\r\nlines"}
    assert isinstance(found[5], Refusal)
    assert [number for number, _ in read_csv(file(content), after=5)] == [6, 7]
    for record in (found[6], found[7]):
        assert isinstance(record, dict)
        with pytest.raises(Unacceptable):
            encode(Row("feedback", record))


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "empty"), (b"a,,b\n", "column 2"), (b"a,b,a\n", "column 3 like column 1")]
)
def test_a_csv_header_must_name_its_columns(content: bytes, message: str) -> None:
    with pytest.raises(ImportFailed, match=message):
        list(read_csv(file(content)))


def test_a_quote_that_never_closes_costs_one_row_and_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_LONGEST_FIELD", 1000)
    content = b'a,b\n1,"open\n' + b"2,x\n" * 1000
    found = list(read_csv(file(content)))
    assert isinstance(found[0][1], Refusal)
    assert len(found) > 500


def test_parquet_values_become_json(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    moment = datetime(2026, 3, 1, 10, tzinfo=UTC)
    rows = [
        {"execution_id": "e1", "user_id": 7, "thumbs": 1, "occurred_at": moment, "cost_usd": Decimal("0.1")},
        {"execution_id": "e2", "user_id": 8, "thumbs": None, "occurred_at": None, "cost_usd": None},
    ] * 1500
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "f.parquet")
    found = list(read_parquet(tmp_path / "f.parquet", after=1))
    assert len(found) == 2999
    assert found[1] == (
        3,
        {"execution_id": "e1", "user_id": 7, "thumbs": 1, "occurred_at": moment.isoformat(), "cost_usd": "0.1"},
    )
    (tmp_path / "none.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(ImportFailed, match="no Parquet"):
        list(read_parquet(tmp_path / "none.parquet"))
    with pytest.raises(ImportFailed, match="standard input"):
        list(read_parquet(None))


def test_gzip_is_known_by_its_bytes_and_its_damage_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"\n".join([GOOD] * 1000))
    (tmp_path / "named-otherwise.jsonl").write_bytes(whole)
    with open_source(Source(tmp_path / "named-otherwise.jsonl")) as stream:
        assert len(list(read_json(stream.file))) == 1000
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:-20])
    source = Source(tmp_path / "cut.jsonl.gz")
    assert source.suffix == ".jsonl"
    with pytest.raises(ImportFailed, match="damaged"), open_source(source) as stream:
        list(read("jsonl", source, stream, 0))
    with pytest.raises(ImportFailed, match="cannot read"), open_source(Source(tmp_path / "none")):
        pass


def test_an_import_is_known_by_content_format_options_and_mapping_not_by_name(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(GOOD)
    a, b = (Source(tmp_path / name) for name in "ab")
    named = import_id(a, "jsonl", Options("x"), "")
    assert named == import_id(b, "jsonl", Options("x"), "")
    others = {
        import_id(a, "jsonl", Options("y"), ""),
        import_id(a, "openai", Options("x"), ""),
        import_id(a, "jsonl", Options("x"), "m"),
    }
    assert len(others | {named}) == 4
