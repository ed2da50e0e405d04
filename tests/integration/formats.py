"""The same events in every dialect, encoding, wrapper and compression export the same."""
import os
import random
import tempfile

import model
import program

LINES = 400


def one_export(folder, name, data, node="n"):
    path, db = os.path.join(folder, name), os.path.join(folder, name + ".db")
    with open(path, "wb") as out:
        out.write(data)
    return program.ingest(db, node, path), program.export(db, node)


def first_difference(got, want):
    for i, (a, b) in enumerate(zip(got, want)):
        if a != b:
            return f"record {i}: {a} should be {b}"
    return f"{len(got)} records, should be {len(want)}"


def check(folder, encoding, wrapper, compress):
    lines = model.make(5, LINES)
    data = model.file_text(lines, encoding, wrapper)
    data = model.gz(data) if compress else data.encode()
    name = f"{encoding}-{wrapper}" + (".gz" if compress else "")
    summary, (header, got) = one_export(folder, name, data)
    want = model.expected(lines, "n")
    assert header == model.CSV_FIELDS, header
    assert got == want, f"{name}: {first_difference(got, want)}"
    assert summary["events"] == len(want), summary
    assert summary["unparsed"] == 0, f"{name}: {summary}"


def test_every_encoding_and_wrapper_exports_the_same():
    with tempfile.TemporaryDirectory() as folder:
        for encoding in model.ENCODINGS:
            for wrapper in model.WRAPPERS:
                check(folder, encoding, wrapper, False)
                check(folder, encoding, wrapper, True)


def test_unparsed_is_exactly_the_lines_that_are_not_node_lines():
    with tempfile.TemporaryDirectory() as folder:
        lines = model.make(9, LINES)
        texts = [model.console(line, old=i % 2 == 0) for i, line in enumerate(lines)]
        rng = random.Random(1)
        for junk in model.NOT_NODE_LINES:
            texts.insert(rng.randrange(len(texts)), junk)
        data = "".join(text + "\n" for text in texts)
        summary, (_, got) = one_export(folder, "junk", data.encode())
        assert summary["unparsed"] == len(model.NOT_NODE_LINES), summary
        assert summary["lines"] == len(texts), summary
        assert got == model.expected(lines, "n")


def test_a_last_line_without_its_end_is_a_line_too():
    with tempfile.TemporaryDirectory() as folder:
        lines = model.make(9, LINES)
        data = model.file_text(lines, "console_old", "plain")
        for name, tail, unparsed in (("whole", "", 0), ("prompt", "\nuser@nas ~ %", 1), ("torn", "\n" + model.console(lines[0])[:90], 1)):
            summary, (_, got) = one_export(folder, name, (data[:-1] + tail).encode())
            assert summary["unparsed"] == unparsed, (name, summary)
            assert summary["lines"] == len(lines) + unparsed, (name, summary)
            assert got == model.expected(lines, "n"), name


def test_reading_the_same_file_again_adds_nothing():
    with tempfile.TemporaryDirectory() as folder:
        lines = model.make(7, LINES)
        want = model.expected(lines, "n")
        data = model.file_text(lines, "console", "plain")
        plain, packed = os.path.join(folder, "a.log"), os.path.join(folder, "b.log.gz")
        open(plain, "w").write(data)
        open(packed, "wb").write(model.gz(data))
        db = os.path.join(folder, "x.db")
        first = program.ingest(db, "n", plain)
        again = program.ingest(db, "n", plain, packed)
        piped = program.ingest(db, "n", "-", stdin=data.encode())
        assert first["events"] == len(want), first
        assert again["events"] == 0 and again["lines"] == 0, again
        assert piped["events"] == 0 and again["duplicates"] >= 2 * len(want), (again, piped)
        assert program.export(db)[1] == want


def test_a_file_that_grew_is_read_on_from_where_it_stopped():
    with tempfile.TemporaryDirectory() as folder:
        lines = model.make(8, LINES)
        path, db = os.path.join(folder, "a.log"), os.path.join(folder, "x.db")
        half = model.file_text(lines[:LINES // 2], "console", "plain")
        open(path, "w").write(half)
        program.ingest(db, "n", path)
        open(path, "a").write(model.file_text(lines[LINES // 2:], "console", "plain"))
        program.ingest(db, "n", path)
        assert program.export(db)[1] == model.expected(lines, "n")


def test_time_ranges_and_jsonl_give_the_same_records():
    import json
    with tempfile.TemporaryDirectory() as folder:
        lines = model.make(4, LINES)
        want = model.expected(lines, "n")
        data = model.file_text(lines, "json", "plain")
        _, (_, got) = one_export(folder, "a", data.encode())
        db = os.path.join(folder, "a.db")
        middle = want[len(want) // 2][0]
        early = program.export(db, None, "--to", middle)[1]
        late = program.export(db, None, "--from", middle)[1]
        assert early + late == got and early and late
        assert all(r[0] < middle for r in early) and all(r[0] >= middle for r in late)
        records = [json.loads(line) for line in
                   program.run("export", "events", "--db", db, "--format", "jsonl").stdout.splitlines()]
        flat = [tuple("" if r[f] is None else str(r[f]) for f in model.CSV_FIELDS) for r in records]
        assert flat == want, first_difference(flat, want)


if __name__ == "__main__":
    program.main(globals())
