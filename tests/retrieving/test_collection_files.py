"""Test collections as people keep them are read right, and what is malformed is refused by file and line."""

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.retrieving.collections import read_collection
from benchmarks.retrieving.formats import Malformed, kind_of, read_documents, read_qrels, read_questions

WORDS = ["wing", "lift", "drag", "heat", "flow", "jet", "plate", "shock", "panel", "flutter", "buckling", "nose"]


def trec(folder: Path) -> None:
    documents = [
        f"<doc>\n<docno> D{n} </docno>\n<title>on {word}</title>\n<text>on {word}\nsteady &amp; fast</text>\n</doc>\n"
        for n, word in enumerate(WORDS)
    ]
    (folder / "all.xml").write_text("".join(documents))
    topics = [
        f"<top>\n<num> {n * 7} </num>\n<title>\nwhat of {word} .\n</title>\n</top>" for n, word in enumerate(WORDS)
    ]
    (folder / "qry.xml").write_text("<?xml version='1.0'?>\r\n<xml>\r\n" + "\r\n".join(topics) + "\r\n</xml>")
    (folder / "qrel.txt").write_text("".join(f"{n + 1} 0 D{n} 1\r\n" for n in range(len(WORDS))))


def test_trec_files_whose_judgements_count_questions_by_order(tmp_path: Path) -> None:
    trec(tmp_path)
    found = read_collection(tmp_path)
    assert [d.id for d in found.documents] == [f"D{n}" for n in range(12)]
    assert found.documents[0].text == "on wing steady & fast", "the title is in the text already"
    assert found.questions[3].text == "what of heat ."
    assert found.grades["21"] == {"D3": 1.0}
    assert any("order" in note for note in found.notes)


def test_questions_are_found_by_number_where_all_judged_numbers_exist(tmp_path: Path) -> None:
    trec(tmp_path)
    (tmp_path / "qrel.txt").write_text("".join(f"{n * 7} 0 D{n} 1\n" for n in range(12)))
    found = read_collection(tmp_path)
    assert found.grades["21"] == {"D3": 1.0}
    assert not any("order" in note for note in found.notes)


def test_of_too_many_questions_always_the_same_are_used(tmp_path: Path) -> None:
    trec(tmp_path)
    some, again = (read_collection(tmp_path, most=11) for _ in range(2))
    assert len(some.questions) == len(some.grades) == 11
    assert some.sha256 == again.sha256
    assert "11 of 12 questions used" in some.notes[-1]


def test_classic_topics_without_closing_tags(tmp_path: Path) -> None:
    path = tmp_path / "topics.txt"
    path.write_text(
        "<top>\n<num> Number: 301\n<title> Topic: Organized Crime\n<desc> Description:\nWho?\n</top>\n"
        "<top>\n<num> Number: 302\n<title>\n<desc> Description:\nIs polio under control?\n</top>\n"
    )
    assert [(q.id, q.text) for q in read_questions(path)] == [
        ("301", "Organized Crime"),
        ("302", "Is polio under control?"),
    ]


def test_beir_folder(tmp_path: Path) -> None:
    rows = [{"_id": f"d{n}", "title": f"On {word}", "text": "Steady."} for n, word in enumerate(WORDS)]
    with gzip.open(tmp_path / "corpus.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
    asked = [{"_id": f"q{n}", "text": f"{word}?"} for n, word in enumerate([*WORDS, "unjudged"])]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    (tmp_path / "qrels").mkdir()
    lines = ["query-id\tcorpus-id\tscore", *(f"q{n}\td{n}\t2" for n in range(12)), "q0\tgone\t1"]
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "README.md").write_text("nothing of ours")
    found = read_collection(tmp_path)
    assert found.documents[1].text == "On lift\nSteady."
    assert found.grades["q3"] == {"d3": 2.0}
    assert [note.split(" ", 1)[0] for note in found.notes] == ["1", "1"], found.notes
    assert len(found.questions) == 12
    assert found.sha256 == read_collection(tmp_path).sha256


def test_tab_separated_rows(tmp_path: Path) -> None:
    documents, questions = tmp_path / "collection.tsv", tmp_path / "queries.dev.tsv"
    documents.write_text("7\tone text\n8\tanother text\n")
    questions.write_text("3\twhich one\n")
    assert (kind_of(documents), kind_of(questions)) == ("documents", "questions")
    assert [(d.id, d.text) for d in read_documents(documents)] == [("7", "one text"), ("8", "another text")]
    assert [(q.id, q.text) for q in read_questions(questions)] == [("3", "which one")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("docs.xml", "<doc>\n<docno>1</docno>\n</doc>\n<doc>\n<text>no id</text>\n</doc>", "docs.xml:4: .*<docno>"),
        ("docs.xml", "\n\n<doc>\n<docno>1</docno><text>open", "docs.xml:3: .*without </doc>"),
        ("corpus.jsonl", '{"id": 1, "text": "x"}\n{"id": 2,\n', "corpus.jsonl:2: not JSON"),
        ("corpus.jsonl", '{"id": 1, "text": "x"}\n{"name": 2}\n', "corpus.jsonl:2: an object needs an id"),
        ("collection.tsv", "1\tx\nonly\n", "collection.tsv:2: .*a tab and a text"),
    ],
)
def test_malformed_documents_are_refused_by_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(Malformed, match=said):
        read_documents(path)


def test_malformed_judgements_and_topics_are_refused_by_line(tmp_path: Path) -> None:
    qrels, topics = tmp_path / "qrels", tmp_path / "topics.xml"
    qrels.write_text("1 0 D1 1\n1 0 D2 relevant\n")
    with pytest.raises(Malformed, match=r"qrels:2: .*a line of qrels is"):
        read_qrels(qrels)
    topics.write_text("<top>\n<num>1</num><title>a</title>\n</top>\n<top>\n<title>b</title>\n</top>")
    with pytest.raises(Malformed, match=r"topics.xml:4: a topic needs <num>"):
        read_questions(topics)


def test_a_folder_that_is_no_collection_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="no such folder"):
        read_collection(tmp_path / "absent")
    (tmp_path / "notes.pdf").write_text("x")
    with pytest.raises(Malformed, match=r"no documents found among notes.pdf; name the file with --documents"):
        read_collection(tmp_path)
    trec(tmp_path)
    (tmp_path / "qrel.txt").write_text("".join(f"{n + 1} 0 X{n} 1\n" for n in range(12)))
    with pytest.raises(Malformed, match=r"qrel.txt:1: 'X0' is no document of this collection"):
        read_collection(tmp_path)
    (tmp_path / "qrel.txt").write_text("".join(f"{n} 0 D1 1\n" for n in range(900, 912)))
    with pytest.raises(Malformed, match=r"qrel.txt:1: '900' is no question"):
        read_collection(tmp_path)
    (tmp_path / "all.xml").write_text((tmp_path / "all.xml").read_text() * 2)
    with pytest.raises(Malformed, match=r"all.xml:\d+: document 'D0' is already at"):
        read_collection(tmp_path)
