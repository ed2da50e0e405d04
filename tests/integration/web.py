"""The HTTP server as its readers meet it: every route of docs/api.md against the model, what is
refused, live events, and clients that misbehave."""
import http.client
import json
import os
import random
import re
import socket
import tempfile
import threading
import time

import model
import program

DOCS = os.path.join(os.path.dirname(__file__), "../../docs/api.md")
KINDS = {"download": ["GET"], "upload": ["PUT"], "repair": ["GET_REPAIR", "PUT_REPAIR"],
         "audit": ["GET_AUDIT"]}
OUTCOMES = ["completed", "cancelled", "failed", "failed_by_peer", "rejected"]
INGRESS = ("PUT", "PUT_REPAIR")
RANGES = {"15m": (900, 60), "1h": (3600, 60), "24h": (86400, 900), "7d": (604800, 3600),
          "30d": (2592000, 21600)}
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin"}


def ask(daemon, path, method="GET", headers=None, body=None):
    """Status, headers (lower case) and body; any status is an answer."""
    host, port = daemon.url.removeprefix("http://").rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=program.DEADLINE_S)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def raw(daemon, data):
    """All that comes back on a connection of its own, until the server closes it."""
    host, port = daemon.url.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=program.DEADLINE_S) as connection:
        connection.sendall(data.replace("HOST", f"Host: {host}:{port}").encode())
        received = b""
        while more := connection.recv(65536):
            received += more
        return received.decode()


def ago(seconds):
    return int(time.time()) - seconds


def spread(seed, count, from_s, to_s):
    """count lines at random seconds of a time span that has passed."""
    rng = random.Random(seed)
    times = sorted(rng.randrange(from_s, to_s) for _ in range(count))
    return [model.transfer_line(rng, at) if rng.random() < 0.8 else model.other_line(rng, at)
            for at in times]


def write(path, lines, mode="a"):
    with open(path, mode) as out:
        out.write("".join(model.console(line) + "\n" for line in lines))


def transfers_read(daemon):
    """Ended transfers that the program has committed, over all time."""
    text = daemon.get("/metrics")[2].decode()
    return sum(int(value) for value in re.findall(r"^nodewatch_transfers_total\{.*\} (\d+)$", text, re.M))


def wait_for(daemon, *lines_of_nodes):
    want = sum(1 for lines in lines_of_nodes for line in lines if line.transfer)
    program.until(lambda: transfers_read(daemon) == want, f"{want} transfers were read")


def expected_sums(lines, from_s, to_s):
    sums = {kind: dict.fromkeys(OUTCOMES, 0) | {"bytes": 0} for kind in KINDS}
    for line in lines:
        for kind, actions in KINDS.items():
            if line.transfer and from_s <= line.at < to_s and line.transfer["action"] in actions:
                sums[kind][line.transfer["outcome"]] += 1
                if line.transfer["outcome"] == "completed":
                    sums[kind]["bytes"] += int(line.transfer["size"])
    return sums


def expected_traffic(lines, from_s, to_s, step_s):
    """Per step: None without any line, else in and out bytes and pieces."""
    steps = [None] * ((to_s - from_s) // step_s)
    for line in lines:
        if not from_s <= line.at < to_s:
            continue
        at = (line.at - from_s) // step_s
        steps[at] = steps[at] or [0, 0, 0, 0]
        if line.transfer and line.transfer["outcome"] == "completed":
            way = 0 if line.transfer["action"] in INGRESS else 1
            steps[at][way] += int(line.transfer["size"])
            steps[at][2 + way] += 1
    return steps


class Two:
    """A daemon with two nodes whose logs hold the given lines."""

    def __init__(self, lines_a=(), lines_b=(), names=("a", "b"), more=()):
        self.folder = tempfile.TemporaryDirectory()
        self.logs = [os.path.join(self.folder.name, name) for name in ("a.log", "b.log")]
        self.db = os.path.join(self.folder.name, "x.db")
        write(self.logs[0], lines_a)
        write(self.logs[1], lines_b)
        self.daemon = program.Daemon(self.db, dict(zip(names, self.logs)), *more)

    def __enter__(self):
        self.daemon.wait_ready()
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()
        self.folder.cleanup()

    def ids(self):
        return {node["name"]: node["id"] for node in self.daemon.json("/api/v1/meta")["nodes"]}


# ---- Figures -----------------------------------------------------------------------------------


def check_overview(overview, range_name, lines):
    seconds, step = RANGES[range_name]
    from_s, to_s = overview["from_s"], overview["to_s"]
    assert (to_s - from_s, overview["step_s"]) == (seconds, step), overview
    assert overview["range"] == range_name and to_s % step == 0
    assert to_s - step <= overview["at"] / 1000 < to_s, "the range ends with the present step"
    everyone = [line for of_node in lines.values() for line in of_node]
    assert overview["transfers"] == expected_sums(everyone, from_s, to_s), range_name
    assert [node["name"] for node in overview["nodes"]] == list(lines)
    for node in overview["nodes"]:
        of_node = lines[node["name"]]
        assert {kind: node[kind] for kind in KINDS} == expected_sums(of_node, from_s, to_s)
        errors = [line for line in of_node if line.level == "ERROR" and from_s <= line.at < to_s]
        assert node["error_lines"] == len(errors), (range_name, node["error_lines"], len(errors))
        assert node["last_event_at"] == max(line.at for line in of_node) * 1000
        assert node["unparsed"] == 0 and node["backlog_bytes"] == 0
    traffic = overview["traffic"]
    assert traffic["t_s"] == list(range(from_s, to_s, step))
    names = ["in_bytes", "out_bytes", "in_pieces", "out_pieces"]
    got = [None if step[0] is None else list(step) for step in zip(*(traffic[name] for name in names))]
    assert got == expected_traffic(everyone, from_s, to_s, step), range_name
    assert overview["last_event_at"] == max(line.at for line in everyone) * 1000


def test_the_overview_holds_the_models_figures_in_every_range():
    lines = {"a": spread(1, 1500, ago(40 * 86400), ago(5)) + spread(2, 800, ago(7200), ago(5)) +
             spread(4, 800, ago(26 * 3600), ago(23 * 3600)),
             "b": spread(3, 1500, ago(3 * 86400), ago(5))}
    with Two(lines["a"], lines["b"]) as two:
        wait_for(two.daemon, *lines.values())
        for range_name in RANGES:
            check_overview(two.daemon.json(f"/api/v1/overview?range={range_name}"), range_name, lines)
        ids = two.ids()
        for name in lines:
            overview = two.daemon.json(f"/api/v1/overview?range=24h&nodes={ids[name]}")
            check_overview(overview, "24h", {name: lines[name]})
        both = two.daemon.json(f"/api/v1/overview?nodes={ids['b']},{ids['a']}")
        check_overview(both, "1h", lines)


def test_a_node_that_is_stored_but_not_watched_is_in_no_figure():
    lines, other = spread(5, 300, ago(3000), ago(5)), spread(6, 300, ago(3000), ago(5))
    with tempfile.TemporaryDirectory() as folder:
        db = os.path.join(folder, "x.db")
        for name, of_node in (("a", lines), ("gone", other)):
            write(os.path.join(folder, name), of_node)
            program.ingest(db, name, os.path.join(folder, name))
        with program.Daemon(db, {"a": os.path.join(folder, "a")}) as daemon:
            check_overview(daemon.json("/api/v1/overview"), "1h", {"a": lines})


def test_lines_that_are_no_node_lines_are_counted_as_such():
    lines = spread(7, 100, ago(600), ago(5))
    with Two(lines) as two:
        wait_for(two.daemon, lines)
        with open(two.logs[0], "a") as out:
            out.write("".join(junk + "\n" for junk in model.NOT_NODE_LINES))
        program.until(lambda: two.daemon.json("/api/v1/overview")["nodes"][0]["unparsed"] ==
                      len(model.NOT_NODE_LINES), "all junk was counted")


def test_the_verdict_names_a_missing_log_and_a_silent_one():
    with tempfile.TemporaryDirectory() as folder:
        silent, missing = os.path.join(folder, "silent.log"), os.path.join(folder, "missing.log")
        lines = spread(8, 50, ago(3000), ago(1200))
        write(silent, lines)
        with program.Daemon(os.path.join(folder, "x.db"), {"s": silent, "m": missing}) as daemon:
            wait_for(daemon, lines)

            def judged():
                verdict = daemon.json("/api/v1/overview")["verdict"]
                return verdict if len(verdict["items"]) == 2 else None

            verdict = program.until(judged, "both troubles were found")
            items = {item["rule"]: item for item in verdict["items"]}
            assert verdict["state"] == "critical" and "2 things need you" == verdict["title"]
            assert items["log_missing"]["node"] == "m" and missing in items["log_missing"]["detail"]
            assert items["log_silent"]["severity"] == "warning"
            assert items["log_silent"]["since"] == lines[-1].at * 1000
            states = {node["name"]: node["state"] for node in daemon.json("/api/v1/overview")["nodes"]}
            assert states == {"s": "attention", "m": "critical"}
            ids = {node["name"]: node["id"] for node in daemon.json("/api/v1/meta")["nodes"]}
            alone = daemon.json(f"/api/v1/overview?nodes={ids['s']}")["verdict"]
            assert [item["rule"] for item in alone["items"]] == ["log_silent"]


def test_meta_tells_program_nodes_and_database():
    with Two() as two:
        meta = two.daemon.json("/api/v1/meta")
        assert set(meta) == {"version", "demo", "started_at", "at", "boot", "nodes", "queue", "store"}
        assert meta["version"] in program.run("--version").stdout.decode() and meta["demo"] is False
        assert [(node["name"], node["log"]) for node in meta["nodes"]] == list(zip("ab", two.logs))
        assert meta["store"]["state"] == "ok" and meta["store"]["bytes"] > 0
        assert set(meta["store"]) == {"bytes", "wal_bytes", "commit_seq", "sqlite", "state"}
        assert set(meta["queue"]) == {"jobs", "oldest_ms", "backlog_bytes"}
        assert abs(meta["at"] / 1000 - time.time()) < 60 and meta["started_at"] <= meta["at"]


def test_the_index_lists_the_documents_routes():
    documented = set(re.findall(r"^\| `GET (\S+?)` \|", open(DOCS).read(), re.M))
    with Two() as two:
        index = two.daemon.json("/api/v1/")
        assert {route["path"] for route in index["routes"]} | {"/"} == documented
        for path in documented - {"/api/v1/stream"}:
            assert ask(two.daemon, path)[0] == 200, path


# ---- What is refused ---------------------------------------------------------------------------


def test_every_answer_carries_the_security_headers():
    with Two() as two:
        for path, status in (("/", 200), ("/healthz", 200), ("/metrics", 200), ("/api/v1/meta", 200),
                             ("/nothing", 404), ("/api/v1/overview?range=x", 400)):
            got, headers, _ = ask(two.daemon, path)
            assert got == status, (path, got)
            for name, value in SECURITY_HEADERS.items():
                assert headers.get(name) == value, (path, name)
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy and "*" not in policy, policy
            assert "access-control-allow-origin" not in headers


def error_of(answer):
    status, headers, body = answer
    assert headers["content-type"] == "application/json", headers
    error = json.loads(body)
    assert list(error) == ["error"] and error["error"], error
    return status, error["error"]


def test_errors_are_json_that_says_what_would_be_right():
    with Two() as two:
        table = [("/api/v1/overview?range=2h", 400, "15m, 1h, 24h, 7d or 30d"),
                 ("/api/v1/overview?nodes=99", 400, "no node 99"),
                 ("/api/v1/overview?nodes=one", 400, "ids separated by commas"),
                 ("/api/v1/stream?nodes=99", 400, "no node 99"),
                 ("/api/v1/overview?range=%FF%00", 400, "is expected"),
                 ("/api/v1/overview?range", 400, "query string"),
                 ("/nothing/%3Cscript%3E", 404, "/api/v1/"), ("/api/v1", 404, "/api/v1/"),
                 ("/../etc/passwd", 404, "nothing at")]
        for path, status, words in table:
            got, error = error_of(ask(two.daemon, path))
            assert got == status and words in error, (path, got, error)


def test_other_hosts_and_other_sites_are_refused():
    with Two(more=("--allow-host", "nas.example")) as two:
        port = two.daemon.url.rsplit(":", 1)[1]
        for host, status in (("nas.example", 200), ("NAS.example:443", 200), (f"localhost:{port}", 200),
                             ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("\xff", 403)):
            got = ask(two.daemon, "/api/v1/meta", headers={"Host": host})
            assert got[0] == status, (host, got[0])
        for origin, status in ((f"http://127.0.0.1:{port}", 200), ("http://evil.example", 403),
                               ("null", 403)):
            assert ask(two.daemon, "/api/v1/meta", headers={"Origin": origin})[0] == status, origin
        assert "http_refused_total" in two.daemon.get("/metrics")[2].decode()
        absolute = raw(two.daemon, "GET http://evil.example/ HTTP/1.1\r\nHOST\r\nConnection: close\r\n\r\n")
        assert absolute.startswith("HTTP/1.1 403 "), absolute[:60]


def test_requests_that_a_proxy_might_read_otherwise_are_refused():
    close = "Connection: close\r\n\r\n"
    with Two() as two:
        for request in ("GET / HTTP/1.1\r\nHOST\r\nHost: evil.example\r\n", "GET / HTTP/1.1\r\n",
                        "POST / HTTP/1.1\r\nHOST\r\nContent-Length: 0\r\nContent-Length: 0\r\n",
                        "POST / HTTP/1.1\r\nHOST\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"):
            if "chunked" in request:
                answer = raw(two.daemon, request + close + "0\r\n\r\n")
            else:
                answer = raw(two.daemon, request + close)
            assert answer.startswith("HTTP/1.1 400 "), (request, answer[:60])


def test_other_methods_get_405_and_what_is_allowed():
    with Two() as two:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            status, headers, body = ask(two.daemon, "/api/v1/meta", method)
            assert (status, headers["allow"]) == (405, "GET, HEAD"), (method, status)
            error_of((status, headers, body))
        assert ask(two.daemon, "/api/v1/stream", "HEAD")[1]["allow"] == "GET"


def test_head_is_the_same_answer_without_its_body():
    with Two() as two:
        for path in ("/", "/healthz", "/api/v1/", "/nothing"):
            status, headers, _ = ask(two.daemon, path)
            head_status, head, body = ask(two.daemon, path, "HEAD")
            assert head_status == status and body == b""
            assert head["content-length"] == headers["content-length"], path
        # On a connection that lives on, a body that should not be there is taken for the next answer.
        answers = raw(two.daemon, "HEAD / HTTP/1.1\r\nHOST\r\n\r\nHEAD /api/v1/meta HTTP/1.1\r\nHOST\r\n\r\n"
                      "GET /healthz HTTP/1.1\r\nHOST\r\nConnection: close\r\n\r\n")
        parts = answers.split("\r\n\r\n")
        assert len(parts) == 4 and parts[3] == "ok\n", parts
        assert all(part.startswith("HTTP/1.1 200 ") for part in parts[:3]), parts


def test_an_answer_that_is_known_is_not_sent_again():
    with Two() as two:
        for path in ("/", "/api/v1/", "/api/v1/meta", "/api/v1/overview?range=30d"):
            status, headers, body = ask(two.daemon, path)
            assert status == 200 and body
            again, _, nothing = ask(two.daemon, path, headers={"If-None-Match": headers["etag"]})
            assert (again, nothing) == (304, b""), path
            assert ask(two.daemon, path, headers={"If-None-Match": '"other"'})[0] == 200
        before = ask(two.daemon, "/api/v1/overview")[1]["etag"]
        lines = spread(9, 20, ago(600), ago(5))
        write(two.logs[0], lines)
        wait_for(two.daemon, lines)
        status, headers, _ = ask(two.daemon, "/api/v1/overview", headers={"If-None-Match": before})
        assert status == 200 and headers["etag"] != before


# ---- Live events -------------------------------------------------------------------------------


class Stream:
    """A reader of Server-Sent Events."""

    def __init__(self, daemon, query="", last_id=None):
        host, port = daemon.url.removeprefix("http://").rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=program.DEADLINE_S)
        headers = {"Last-Event-ID": last_id} if last_id else {}
        self.connection.request("GET", "/api/v1/stream" + query, headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers["Content-Type"] == "text/event-stream"
        self.last_id = last_id

    def next(self):
        """Event name and data of the next message."""
        event, data = None, None
        while True:
            line = self.answer.readline().decode()
            assert line, "the stream ended"
            line = line.rstrip("\n")
            if not line and event:
                return event, data
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif line.startswith("id: "):
                self.last_id = line[4:]

    def next_of(self, wanted):
        while True:
            event, data = self.next()
            if event == wanted:
                return data

    def close(self):
        self.connection.sock.close()
        self.answer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def added(deltas):
    """Sum of what deltas added: lines, and completed transfers by kind."""
    total = {"lines": 0, "in_bytes": 0, "out_bytes": 0, "completed": 0}
    for delta in deltas:
        for node in delta["nodes"]:
            for name in ("lines", "in_bytes", "out_bytes"):
                total[name] += node[name]
            total["completed"] += sum(node[kind]["completed"] for kind in KINDS)
    return total


def present_lines(seed, count):
    rng = random.Random(seed)
    return [model.transfer_line(rng, int(time.time())) for _ in range(count)]


def added_by(lines):
    done = [line.transfer for line in lines if line.transfer["outcome"] == "completed"]
    return {"lines": len(lines), "completed": len(done),
            "in_bytes": sum(int(t["size"]) for t in done if t["action"] in INGRESS),
            "out_bytes": sum(int(t["size"]) for t in done if t["action"] not in INGRESS)}


def collect(stream, count):
    """Deltas until they add up to count lines."""
    deltas = []
    while added(deltas)["lines"] < count:
        deltas.append(stream.next_of("delta"))
    return deltas


def test_a_stream_greets_and_tells_new_lines_within_seconds():
    with Two() as two, Stream(two.daemon) as stream:
        event, hello = stream.next()
        meta = two.daemon.json("/api/v1/meta")
        assert event == "hello" and hello["boot"] == meta["boot"] and hello["version"] == meta["version"]
        for round_ in range(3):
            lines = present_lines(round_, 50)
            started = time.monotonic()
            write(two.logs[round_ % 2], lines)
            deltas = collect(stream, len(lines))
            assert time.monotonic() - started < 3
            assert added(deltas) == added_by(lines)
            assert deltas[0]["seq"] > hello["seq"]
            assert stream.last_id == f"{meta['boot']}-{deltas[-1]['seq']}"


def test_a_stream_of_some_nodes_tells_of_these_only():
    with Two() as two:
        ids = two.ids()
        with Stream(two.daemon, f"?nodes={ids['b']}") as stream:
            stream.next()
            first, second = present_lines(1, 30), present_lines(2, 30)
            write(two.logs[0], first)
            write(two.logs[1], second)
            deltas = collect(stream, len(second))
            assert {node["id"] for delta in deltas for node in delta["nodes"]} == {ids["b"]}
            assert added(deltas) == added_by(second)
            verdict = stream.next_of("verdict")
            assert [state["id"] for state in verdict["node_states"]] == [ids["b"]]


def test_a_verdict_is_told_when_it_changes():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "late.log")
        with program.Daemon(os.path.join(folder, "x.db"), {"n": log}) as daemon, Stream(daemon) as stream:
            first = stream.next_of("verdict")
            assert [item["rule"] for item in first["items"]] == ["log_missing"]
            assert first["node_states"][0]["state"] == "critical"
            write(log, present_lines(1, 10))
            second = stream.next_of("verdict")
            assert second["state"] == "good" and second["seq"] > first["seq"]


def test_rates_fall_back_when_a_node_falls_silent():
    with Two() as two, Stream(two.daemon) as stream:
        rng = random.Random(1)
        line = model.transfer_line(rng, int(time.time()) - 56)
        while not (line.transfer["action"] == "PUT" and line.transfer["outcome"] == "completed"):
            line = model.transfer_line(rng, int(time.time()) - 56)
        write(two.logs[0], [line])
        rates = []
        while not rates or rates[-1] is not None:
            rates += [node["in_bps"] for node in stream.next_of("delta")["nodes"]]
        assert rates[0] == int(line.transfer["size"]) * 8 // 60, rates


def test_a_reader_that_comes_back_gets_exactly_what_it_missed():
    with Two() as two:
        stream = Stream(two.daemon)
        stream.next()
        lines = present_lines(1, 20)
        write(two.logs[0], lines)
        collect(stream, len(lines))
        last_id = stream.last_id
        stream.close()
        seen = two.daemon.json("/api/v1/overview")["seq"]
        missed = []
        for round_ in range(3):
            more = present_lines(10 + round_, 20)
            missed += more
            write(two.logs[round_ % 2], more)
            program.until(lambda: two.daemon.json("/api/v1/overview")["seq"] > seen, "a message was made")
            seen = two.daemon.json("/api/v1/overview")["seq"]
        with Stream(two.daemon, last_id=last_id) as again:
            assert again.next()[0] == "hello"
            messages, deltas = [], []
            while added(deltas)["lines"] < len(missed):
                event, data = again.next()
                messages.append(data["seq"])
                deltas += [data] if event == "delta" else []
            assert added(deltas) == added_by(missed), (added(deltas), added_by(missed))
            first = int(last_id.split("-")[1]) + 1
            assert messages == list(range(first, first + len(messages))), (last_id, messages)


def test_a_reader_that_comes_too_late_or_from_another_start_is_told_to_begin_anew():
    with Two() as two:
        boot = two.daemon.json("/api/v1/meta")["boot"]
        for last_id in ("00000000-1", f"{boot}-99999", f"{boot}-", f"{boot}-x", f"{boot}--1", "junk",
                        f"{boot}-99999999999999999999999"):
            with Stream(two.daemon, last_id=last_id) as stream:
                assert stream.next()[0] == "hello"
                event, data = stream.next()
                assert event == "resync" and data["seq"] >= 0, (last_id, event)


# ---- Clients that misbehave --------------------------------------------------------------------


def rss_kib(daemon):
    status = open(f"/proc/{daemon.process.pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def send_stream_request(daemon):
    host, port = daemon.url.removeprefix("http://").rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=program.DEADLINE_S)
    connection.sendall(f"GET /api/v1/stream HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return connection


def test_fifty_readers_that_vanish_leave_nothing_behind():
    with Two() as two, Stream(two.daemon) as steady:
        steady.next()
        for i, log in enumerate(two.logs):
            write(log, present_lines(90 + i, 1))
        collect(steady, 2)  # both logs are open now
        before = descriptors(two.daemon)
        rng = random.Random(1)
        for round_ in range(5):
            readers = [send_stream_request(two.daemon) for _ in range(50)]
            for reader in readers:
                if rng.random() < 0.5:
                    reader.recv(10)
            write(two.logs[0], present_lines(round_, 20))
            for reader in readers:
                if rng.random() < 0.5:  # a reset instead of a farewell
                    reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                reader.close()
        program.until(lambda: descriptors(two.daemon) <= before, "all connections were let go")
        clients = re.search(r"^nodewatch_stream_clients (\d+)$", two.daemon.get("/metrics")[2].decode(), re.M)
        assert clients.group(1) == "1"
        assert added(collect(steady, 100))["lines"] == 100
        assert ask(two.daemon, "/healthz")[0] == 200


def test_a_reader_that_never_reads_and_one_that_never_stops_talking_disturb_nobody():
    with Two() as two, Stream(two.daemon) as steady:
        steady.next()
        deaf, chatty = send_stream_request(two.daemon), send_stream_request(two.daemon)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        before = rss_kib(two.daemon)
        stop = threading.Event()

        def chat():
            chatty.settimeout(0.2)
            while not stop.is_set():
                try:
                    chatty.sendall(b"x" * 65536)
                except TimeoutError:
                    continue
                except OSError:
                    return

        talker = threading.Thread(target=chat)
        talker.start()
        try:
            for round_ in range(4):
                write(two.logs[0], present_lines(round_, 50))
                assert added(collect(steady, 50))["lines"] == 50
            assert ask(two.daemon, "/healthz")[0] == 200
            grown = rss_kib(two.daemon) - before
            assert grown < 16384, f"{grown} KiB more"
        finally:
            stop.set()
            talker.join()
            deaf.close()
            chatty.close()


def test_more_readers_than_allowed_are_told_so_and_the_rest_live():
    with Two() as two:
        readers = [send_stream_request(two.daemon) for _ in range(256)]
        for reader in readers:
            assert reader.recv(12) == b"HTTP/1.1 200"
        status, error = error_of(ask(two.daemon, "/api/v1/stream"))
        assert status == 503 and "close one" in error
        readers.pop().close()

        def let_in():
            try:
                Stream(two.daemon).close()
                return True
            except AssertionError:
                return False

        program.until(let_in, "a place became free")
        for reader in readers:
            reader.close()


def test_stopping_ends_open_streams_in_time():
    with Two() as two:
        readers = [send_stream_request(two.daemon) for _ in range(20)]
        for reader in readers[:10]:
            reader.recv(10)
        assert two.daemon.stop() < 2
        for reader in readers:
            reader.close()


# ---- /metrics and /healthz ---------------------------------------------------------------------

LABELS = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def parse_metrics(text):
    """Prometheus text format, strictly: {(name, labels): value}, {name: type}."""
    assert text.endswith("\n")
    samples, types, helps, current = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in helps and line.split(" ", 3)[3], line
            helps.add(name)
            continue
        if line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert current in helps and current not in types and kind in ("counter", "gauge", "histogram"), line
            types[current] = kind
            continue
        found = re.fullmatch(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)", line)
        assert found, f"not a sample: {line}"
        name, inside, value = found.groups()
        family = re.sub("_(bucket|sum|count)$", "", name) if types[current] == "histogram" else name
        assert family == current, f"{name} stands under {current}"
        labels = LABELS.findall(inside or "")
        assert "".join(f'{k}="{v}",' for k, v in labels).rstrip(",") == (inside or ""), line
        clean = tuple((k, re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), v)) for k, v in labels)
        assert len({k for k, _ in clean}) == len(clean)
        assert (name, clean) not in samples, f"twice: {line}"
        samples[(name, clean)] = float(value)
        if types[current] == "counter":
            assert name.endswith("_total") and float(value) >= 0, line
    return samples, types


def test_metrics_are_prometheus_text_whatever_the_names_of_nodes():
    name = 'we"ird\\n{é} 1,2'
    lines = spread(3, 400, ago(3000), ago(5))
    with Two(lines, names=(name, "b")) as two:
        wait_for(two.daemon, lines)
        status, headers, body = ask(two.daemon, "/metrics")
        assert status == 200 and headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        samples, types = parse_metrics(body.decode())
        assert samples[("nodewatch_log_lines_total", (("node", name),))] == len(lines)
        assert samples[("nodewatch_log_lines_total", (("node", "b"),))] == 0
        assert samples[("nodewatch_log_last_event_timestamp_seconds", (("node", name),))] == lines[-1].at
        assert ("nodewatch_log_last_event_timestamp_seconds", (("node", "b"),)) not in samples
        assert samples[("nodewatch_store_up", ())] == 1
        assert types["ow_commit_seconds"] == "histogram" and samples[("ow_commit_seconds_count", ())] > 0
        want = {}
        for line in lines:
            if line.transfer:
                key = (line.transfer["action"], line.transfer["outcome"])
                want[key] = want.get(key, 0) + 1
        got = {(dict(labels)["action"], dict(labels)["outcome"]): value
               for (metric, labels), value in samples.items() if metric == "nodewatch_transfers_total"}
        assert got == want


def test_counters_go_on_after_a_restart():
    lines = spread(3, 100, ago(3000), ago(5))
    with Two(lines) as two:
        wait_for(two.daemon, lines)
        two.daemon.stop()
        with program.Daemon(two.db, {"a": two.logs[0]}) as again:
            samples, types = parse_metrics(again.get("/metrics")[2].decode())
            total = sum(v for (name, _), v in samples.items() if name == "nodewatch_transfers_total")
            assert total == sum(1 for line in lines if line.transfer)


def test_health_is_one_line_of_text():
    with Two() as two:
        status, headers, body = ask(two.daemon, "/healthz")
        assert (status, body) == (200, b"ok\n") and headers["content-type"].startswith("text/plain")


if __name__ == "__main__":
    program.main(globals())
