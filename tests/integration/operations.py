"""What an operator does to it: other programs on the same file, signals under load, wrong words on the
command line, pipes that close and disks that are full."""
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

import model
import program

COMMANDS = ["run", "ingest", "export", "status", "demo"]


def write(path, lines):
    with open(path, "a") as out:
        out.write("".join(model.console(line) + "\n" for line in lines))


def records(lines, node="n"):
    return sorted(model.expected(lines, node))


def caught_up(db, lines):
    want = len(records(lines))
    return lambda: len(program.export(db)[1]) == want


class Writer(threading.Thread):
    """Appends lines as fast as it can until told to stop."""

    def __init__(self, path, seed):
        super().__init__(daemon=True)
        self.path, self.rng, self.lines = path, random.Random(seed), []
        self.stopping, self.error = threading.Event(), None

    def run(self):
        try:
            with open(self.path, "ab", buffering=0) as out:
                at = 1787220014
                while not self.stopping.is_set():
                    more = [model.transfer_line(self.rng, at) for _ in range(200)]
                    self.lines += more
                    out.write("".join(model.console(line) + "\n" for line in more).encode())
                    at += 1
        except OSError as error:  # reported by the main thread
            self.error = error

    def end(self):
        self.stopping.set()
        self.join()
        assert not self.error, self.error
        return self.lines


# ---- Other programs on the same file -----------------------------------------------------------


def sqlite(db, sql):
    done = subprocess.run(["sqlite3", "-readonly", db, sql], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_sqlite3_shell_reads_everything_while_lines_arrive():
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
        writer = Writer(log, 1)
        writer.start()
        with program.Daemon(db, {"n": log}):
            counts = []
            for _ in range(10):
                rows, minutes, hours = sqlite(
                    db, "BEGIN; SELECT (SELECT count(*) FROM transfer) || ' ' || (SELECT"
                    " coalesce(sum(count), 0) FROM rollup_minute) || ' ' || (SELECT"
                    " coalesce(sum(count), 0) FROM rollup_hour)").split()
                assert rows == minutes == hours, "one commit holds rows and their sums"
                counts.append(int(rows))
            assert counts == sorted(counts)
            lines = writer.end()
            program.until(caught_up(db, lines), "all lines were read")
            assert sqlite(db, "SELECT count(*) FROM transfers") == str(len(records(lines)))
            assert sqlite(db, "PRAGMA integrity_check") == "ok"


def test_a_long_read_of_another_process_delays_no_commit():
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
        lines = model.make(1, 500)
        write(log, lines)
        with program.Daemon(db, {"n": log}) as daemon:
            program.until(caught_up(db, lines), "the first lines were read")
            reader = sqlite3.connect(f"file:{db}?mode=ro", uri=True, isolation_level=None)
            reader.execute("BEGIN")
            before = reader.execute("SELECT count(*) FROM transfer").fetchone()
            for seed in range(5):
                more = model.make(100 + seed, 500, start=lines[-1].at)
                write(log, more)
                lines += more
                program.until(caught_up(db, lines), "lines were committed beside the reader")
            assert reader.execute("SELECT count(*) FROM transfer").fetchone() == before
            reader.close()
            assert daemon.get("/healthz")[0] == 200
        assert sorted(program.export(db)[1]) == records(lines)


def test_a_copy_made_while_it_runs_is_whole_and_reads_on_where_it_stopped():
    with tempfile.TemporaryDirectory() as folder:
        log, db, copy = (os.path.join(folder, name) for name in ("n.log", "x.db", "copy.db"))
        writer = Writer(log, 2)
        writer.start()
        with program.Daemon(db, {"n": log}):
            program.until(lambda: len(program.export(db)[1]) > 1000, "lines were read")
            sqlite(db, f"VACUUM INTO '{copy}'")
            lines = writer.end()
            program.until(caught_up(db, lines), "all lines were read")
        assert sqlite(copy, "PRAGMA integrity_check") == "ok"
        assert 1000 < int(sqlite(copy, "SELECT count(*) FROM transfer")) <= len(records(lines))
        program.ingest(copy, "n", log)
        assert sorted(program.export(copy)[1]) == records(lines)


def test_a_foreign_lock_is_waited_for_and_nothing_is_lost():
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
        with program.Daemon(db, {"n": log}) as daemon:
            other = sqlite3.connect(db, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            lines = model.make(1, 500)
            write(log, lines)
            for _ in range(3):
                assert daemon.get("/api/v1/overview")[0] == 200, "reading goes on"
            assert program.export(db)[1] == []
            other.execute("ROLLBACK")
            other.close()
            program.until(caught_up(db, lines), "the lines were committed after the lock was gone")


def test_a_lock_held_for_ten_seconds_is_told_and_nothing_is_lost():
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
        with program.Daemon(db, {"n": log}) as daemon:
            other = sqlite3.connect(db, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            lines = model.make(1, 500)
            write(log, lines)
            until = time.monotonic() + 10
            while time.monotonic() < until:
                assert daemon.get("/api/v1/overview")[0] == 200, "reading goes on"
                time.sleep(0.5)
            other.execute("COMMIT")
            other.close()
            program.until(caught_up(db, lines), "the lines were committed after the lock was gone")
            program.until(lambda: any("Successfully wrote" in line for line in daemon.lines), "it was told")
            said = "\n".join(daemon.lines)
        for line in (r"Database connection pool initialized with \d+ connections",
                     r"Database thread pool initialized with \d+ workers",
                     r"Database operation failed \(attempt 1/3\): database is locked\. Retrying in \d+\.\d\ds\.\.\.",
                     r"Database operation failed after 3 attempts: database is locked",
                     r"Successfully wrote \d+ events to the database"):
            assert re.search(line, said), (line, said)
        assert sorted(program.export(db)[1]) == records(lines)


def test_a_second_writer_is_told_to_go_elsewhere():
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
        write(log, model.make(1, 10))
        with program.Daemon(db, {"n": log}):
            done = program.run("ingest", "--db", db, "--node", "n", log, check=False)
            assert done.returncode == 2, done
            assert b"another nodewatch process is writing" in done.stderr and db.encode() in done.stderr


# ---- Signals -----------------------------------------------------------------------------------


def check_signal_under_load(number):
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
        writer = Writer(log, int(number))
        writer.start()
        for _ in range(3):
            daemon = program.Daemon(db, {"n": log}).wait_ready()
            program.until(lambda: os.path.exists(db + "-wal"), "writing began")
            started = time.monotonic()
            daemon.process.send_signal(number)
            code = daemon.process.wait(program.DEADLINE_S)
            took = time.monotonic() - started
            daemon.reader.join(program.DEADLINE_S)
            assert code == 0, (code, daemon.lines[-5:])
            assert took < 2, f"{took:.2f} s"
        lines = writer.end()
        with program.Daemon(db, {"n": log}):
            program.until(caught_up(db, lines), "all lines were read")
        assert sorted(program.export(db)[1]) == records(lines)


def test_sigterm_under_load_is_quick_and_loses_nothing():
    check_signal_under_load(signal.SIGTERM)


def test_sigint_under_load_is_quick_and_loses_nothing():
    check_signal_under_load(signal.SIGINT)


def test_a_second_signal_ends_it_at_once_and_nothing_is_lost():
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
        writer = Writer(log, 9)
        writer.start()
        for _ in range(5):
            daemon = program.Daemon(db, {"n": log}).wait_ready()
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.send_signal(signal.SIGTERM)
            code = daemon.process.wait(program.DEADLINE_S)
            assert code in (0, -signal.SIGTERM), code
        lines = writer.end()
        with program.Daemon(db, {"n": log}):
            program.until(caught_up(db, lines), "all lines were read")
        assert sorted(program.export(db)[1]) == records(lines)


def test_stopping_while_another_process_holds_the_lock_is_told_and_loses_nothing():
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
        lines = model.make(1, 500)
        write(log, lines)
        with program.Daemon(db, {"n": log}) as daemon:
            program.until(caught_up(db, lines), "the first lines were read")
            other = sqlite3.connect(db, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            more = model.make(2, 500, start=lines[-1].at)
            write(log, more)
            lines += more
            program.until(lambda: daemon.json("/api/v1/meta")["queue"]["backlog_bytes"], "lines wait")
            started = time.monotonic()
            daemon.process.send_signal(signal.SIGTERM)
            code = daemon.process.wait(program.DEADLINE_S)
            assert time.monotonic() - started < 2
            daemon.reader.join(program.DEADLINE_S)
            assert code == 1 and "read again at the next start" in daemon.lines[-1], daemon.lines[-3:]
            other.close()
        with program.Daemon(db, {"n": log}):
            program.until(caught_up(db, lines), "all lines were read")
        assert sorted(program.export(db)[1]) == records(lines)


# ---- Starting ----------------------------------------------------------------------------------


def refused(*args, code=2, says=(), env=None):
    done = subprocess.run([program.BINARY, *map(str, args)], capture_output=True, timeout=60,
                          env={**os.environ, **(env or {})})
    text = done.stderr.decode()
    assert done.returncode == code, (args, done.returncode, text)
    for words in [says] if isinstance(says, str) else says:
        assert words in text, (args, words, text)
    assert len(text) < 4000 and text.strip(), text
    return text


def test_without_arguments_it_explains_itself():
    text = refused(says=("Usage:", "nodewatch run", "Start with:"))
    assert all(command in text for command in COMMANDS)
    assert program.run("--help").stdout.decode() == text
    refused("run", says=("--node home=", "nodewatch demo"))


def test_every_subcommand_has_its_help_and_the_version_is_told():
    assert re.fullmatch(r"nodewatch \d+\.\d+\.\d+\n", program.run("--version").stdout.decode())
    for command in COMMANDS:
        for flag in ("--help", "-h"):
            text = program.run(command, flag).stdout.decode()
            assert text.startswith("Usage: nodewatch " + command) and "--help" in text, text


def test_misuse_is_told_with_exit_code_2():
    with tempfile.TemporaryDirectory() as folder:
        db, log = os.path.join(folder, "x.db"), os.path.join(folder, "n.log")
        write(log, model.make(1, 10))
        program.ingest(db, "n", log)
        refused("frobnicate", says="frobnicate")
        for command in COMMANDS:
            refused(command, "--frobnicate", says="--frobnicate")
        refused("run", "--node", says="needs a value")
        refused("run", "--node", "n", says="NAME=LOG")
        refused("run", "--node", f"n={log}", "--node", f"n={log}", says="twice")
        refused("run", "--node", f"n={log}", "extra", says="extra")
        refused("ingest", "--db", db, log, says="--node")
        refused("ingest", "--db", db, "--node", "n", says="FILE")
        refused("ingest", "--db", db, "--node", "a\nb", log, says="control characters")
        refused("ingest", "--db", db, "--node", os.fsdecode(b"caf\xe9"), log, says="UTF-8")
        refused("export", "--db", db, says="export events")
        refused("export", "things", "--db", db, says="export events")
        refused("export", "events", "--db", db, "--format", "xml", says="csv or jsonl")
        refused("export", "events", "--db", db, "--from", "yesterday", says=("--from", "2026-08-20"))
        refused("export", "events", "--db", db, "--node", "nobody", says="nobody")
        refused("export", "events", "--db", os.path.join(folder, "none.db"), says="none.db")
        refused("status", "--db", os.path.join(folder, "none.db"), says="none.db")
        refused("status", "--db", db, "extra", says="extra")
        refused("demo", "extra", says="extra")


def test_trouble_that_is_nobodys_mistake_is_told_with_exit_code_1():
    with tempfile.TemporaryDirectory() as folder:
        db, log = os.path.join(folder, "x.db"), os.path.join(folder, "n.log")
        write(log, model.make(1, 10))
        refused("ingest", "--db", db, "--node", "n", os.path.join(folder, "none.log"), code=1, says="none.log")
        refused("ingest", "--db", os.path.join(folder, "none", "x.db"), "--node", "n", log, code=1,
                says=("none/x.db", "No such file or directory"))
        junk = os.path.join(folder, "junk.db")
        open(junk, "wb").write(b"not a database " * 400)
        refused("status", "--db", junk, code=1, says="junk.db")
        refused("run", "--db", junk, "--node", f"n={log}", "--listen", "127.0.0.1:0", code=1, says="junk.db")


def test_a_port_in_use_and_an_address_that_is_none_are_told():
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        db, log = os.path.join(folder, "x.db"), os.path.join(folder, "n.log")
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused("run", "--db", db, "--node", f"n={log}", "--listen", address, code=1,
                says=(address, "another program uses this port", "--listen"))
        for listen in ("8765", "127.0.0.1", "127.0.0.1:x", "::1:80", "127.0.0.1:99999", ""):
            refused("run", "--db", db, "--node", f"n={log}", "--listen", listen, says="ADDR:PORT")


def test_ipv6_is_served_too():
    if not socket.has_ipv6:
        return
    with tempfile.TemporaryDirectory() as folder:
        daemon = program.Daemon(os.path.join(folder, "x.db"), {"n": os.path.join(folder, "n.log")},
                                "--listen", "[::1]:0")
        try:
            daemon.ready.wait(program.DEADLINE_S)
            if any("Cannot assign requested address" in line for line in daemon.lines):
                return  # a machine without IPv6
            assert daemon.url.startswith("http://[::1]:"), daemon.lines
            assert daemon.get("/healthz")[0] == 200
        finally:
            daemon.__exit__()


def test_a_log_that_is_not_there_yet_is_read_when_it_appears():
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "later/n.log"), os.path.join(folder, "x.db")
        with program.Daemon(db, {"n": log}) as daemon:
            program.until(lambda: any(log in line for line in daemon.lines), "the missing log was named")
            os.mkdir(os.path.dirname(log))
            lines = model.make(1, 200)
            write(log, lines)
            program.until(caught_up(db, lines), "the lines were read")


def test_settings_come_from_flags_then_environment_then_file():
    with tempfile.TemporaryDirectory() as folder:
        path = {name: os.path.join(folder, name) for name in ("flag.db", "env.db", "file.db", "n.log")}
        settings = os.path.join(folder, "nodewatch.yaml")
        with open(settings, "w") as out:
            out.write(f"db:\n  path: {path['file.db']}\nweb:\n  listen: 127.0.0.1:0\n"
                      f"nodes:\n  from-file: {path['n.log']}\n")

        def started(*args, env=None):
            process = subprocess.Popen([program.BINARY, "run", "-c", settings, *args], text=True,
                                       stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
            try:
                return next(line for line in process.stderr if "watches" in line)
            finally:
                process.terminate()
                assert process.wait(program.DEADLINE_S) == 0
                process.stderr.close()

        environment = {"NODEWATCH_DB_PATH": path["env.db"]}
        assert path["file.db"] in started()
        assert path["env.db"] in started(env=environment)
        assert path["flag.db"] in started("--db", path["flag.db"], env=environment)
        refused("run", "-c", settings, env={"NODEWATCH_DB_MAX_RETRIES": "many"},
                says=("NODEWATCH_DB_MAX_RETRIES", "many"))
        with open(settings, "a") as out:
            out.write("colour:\n  page: blue\n")
        refused("run", "-c", settings, says=(f"{settings}:8", "colour.page"))
        refused("run", "-c", os.path.join(folder, "none.yaml"), code=1, says="none.yaml")


def test_a_demo_overwrites_nothing_that_is_not_its_own():
    with tempfile.TemporaryDirectory() as folder:
        real, own = os.path.join(folder, "real"), os.path.join(folder, "own")
        os.mkdir(real)
        log = os.path.join(real, "Home-NAS.log")
        write(log, model.make(1, 10))
        before = open(log).read()
        refused("demo", "--dir", real, "--listen", "127.0.0.1:0", says=("not empty", real))
        assert open(log).read() == before and os.listdir(real) == ["Home-NAS.log"]

        def demo():
            process = subprocess.Popen([program.BINARY, "demo", "--dir", own, "--listen", "127.0.0.1:0"],
                                       stderr=subprocess.PIPE, text=True)
            assert any("The page:" in line for line in process.stderr)
            return process

        def end(process):
            process.terminate()
            process.communicate(timeout=60)
            assert process.returncode == 0

        first = demo()
        refused("demo", "--dir", own, "--listen", "127.0.0.1:0", says="another demo runs")
        end(first)
        end(demo())  # its own folder is taken again


# ---- What comes out ----------------------------------------------------------------------------


def filled(folder, count=20000):
    log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
    write(log, model.make(1, count))
    program.ingest(db, "n", log)
    return db


def test_a_pipe_that_closes_and_a_disk_that_is_full_are_told():
    with tempfile.TemporaryDirectory() as folder:
        db = filled(folder)
        for form in ("csv", "jsonl"):
            args = [program.BINARY, "export", "events", "--db", db, "--format", form]
            with open("/dev/full", "w") as full:
                done = subprocess.run(args, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            assert done.returncode == 1 and "No space left on device" in done.stderr, done
            export = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            export.stdout.read(100)
            export.stdout.close()
            told = export.stderr.read().decode()
            export.stderr.close()
            assert export.wait(60) == 1 and "Broken pipe" in told, told
        for args in (["status", "--db", db], ["status", "--db", db, "--json"],
                     ["ingest", "--db", db, "--node", "n", os.path.join(folder, "n.log")]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([program.BINARY, *args], stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=60)
            assert done.returncode == 1 and "cannot" in done.stderr, (args, done)


def test_status_tells_what_is_known_beside_a_running_program_and_without_one():
    with tempfile.TemporaryDirectory() as folder:
        log, db = os.path.join(folder, "n.log"), os.path.join(folder, "x.db")
        lines = model.make(1, 300, start=int(time.time()) - 200)
        write(log, lines)
        with program.Daemon(db, {"n": log}):
            program.until(caught_up(db, lines), "the lines were read")
            beside = json.loads(program.run("status", "--db", db, "--json").stdout)
        after = json.loads(program.run("status", "--db", db, "--json").stdout)
        for status in (beside, after):
            assert set(status) == {"nodes", "database", "queue"}, status
            assert status["database"]["path"] == db and status["database"]["bytes"] > 0
            assert status["database"]["commit_seq"] > 0
            assert status["queue"]["bytes"] == 0
            (node,) = status["nodes"]
            assert (node["name"], node["log"], node["lines"]) == ("n", log, len(lines))
            assert node["events"] == len(records(lines)) and node["unparsed"] == 0
            assert node["last_event"] == model.rfc3339(lines[-1].at)[:-1] + ".000Z"
            done = [line.transfer for line in lines if line.transfer
                    and line.transfer["outcome"] == "completed"]
            assert node["in_bytes_last_hour"] == sum(
                int(t["size"]) for t in done if t["action"].startswith("PUT"))
        write(log, model.make(2, 10))
        waiting = json.loads(program.run("status", "--db", db, "--json").stdout)
        assert waiting["queue"]["bytes"] > 0
        table = program.run("status", "--db", db).stdout.decode()
        assert "n " in table and "database " + db in table


def test_paths_and_texts_of_any_bytes_stay_readable():
    with tempfile.TemporaryDirectory() as folder:
        odd = os.path.join(os.fsencode(folder), b"caf\xe9\x1b[31m.log")
        db = os.path.join(folder, "x.db")
        hostile = '<script>alert(1)</script>\x1b[31m'
        rng = random.Random(1)
        line = model.transfer_line(rng, int(time.time()))
        while not line.transfer["error"]:
            line = model.transfer_line(rng, int(time.time()))
        line.fields["error"] = line.transfer["error"] = hostile
        with open(odd, "wb") as out:
            out.write(model.console(line).encode() + b"\n\xff\xfe" + hostile.encode() + b"\n")
        with program.Daemon(db, {"n": os.fsdecode(odd)}) as daemon:
            program.until(lambda: program.export(db)[1] == records([line]), "the line was read")
            assert daemon.json("/api/v1/meta")["nodes"][0]["log"].endswith("caf\ufffd\x1b[31m.log")
            assert "script" not in daemon.get("/api/v1/overview")[2].decode()
            status = json.loads(program.run("status", "--db", db, "--json").stdout)
            assert status["nodes"][0]["unparsed"] == 1
        assert not any("\x1b" in line for line in daemon.lines), daemon.lines
        exported = program.run("export", "events", "--db", db, "--format", "jsonl").stdout
        assert json.loads(exported)["error"] == hostile


def test_bad_lines_of_the_program_itself_name_the_node():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "n.log")
        os.mkdir(log)
        with program.Daemon(os.path.join(folder, "x.db"), {"n": log}) as daemon:
            program.until(lambda: any(" n: " in line and log in line for line in daemon.lines),
                          "a folder in the log's place was told")
            assert daemon.get("/healthz")[0] == 200


if __name__ == "__main__":
    program.main(globals())
