"""The program as a user calls it: a small wrapper over the command line for the integration tests."""
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

BINARY = os.environ.get("NODEWATCH_BIN") or os.path.join(os.path.dirname(__file__), "../../build/nodewatch")
DEADLINE_S = 60


def run(*args, check=True, stdin=None):
    done = subprocess.run([BINARY, *map(str, args)], input=stdin, capture_output=True, timeout=600)
    if check and done.returncode != 0:
        raise AssertionError(f"nodewatch {' '.join(map(str, args))}: exit {done.returncode}: {done.stderr.decode()}")
    return done


def export(db, node=None, *more):
    args = ["export", "events", "--db", db, "--format", "csv", *more] + (["--node", node] if node else [])
    text = run(*args).stdout.decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    return rows[0], [tuple(row) for row in rows[1:]]


def ingest(db, node, *files, stdin=None):
    return json.loads(run("ingest", "--db", db, "--node", node, "--json", *files, stdin=stdin).stdout)


class Daemon:
    """`nodewatch run` with its own database; use as a context manager."""

    def __init__(self, db, nodes, *more):
        args = [BINARY, "run", "--db", str(db), "--listen", "127.0.0.1:0", *more]
        for name, log in nodes.items():
            args += ["--node", f"{name}={log}"]
        self.process = subprocess.Popen(args, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.lines, self.url = [], None
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.process.stderr:
            line = raw.decode(errors="replace").rstrip()
            self.lines.append(line)
            found = re.search(r"http://\S+", line)
            if found and not self.url:
                self.url = found.group(0)
                self.ready.set()
        self.ready.set()

    def wait_ready(self):
        assert self.ready.wait(DEADLINE_S) and self.url, f"did not start: {self.lines[-5:]}"
        return self

    def get(self, path, headers=None):
        request = urllib.request.Request(self.url + path, headers=headers or {})
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, dict(answer.headers), answer.read()

    def json(self, path):
        return json.loads(self.get(path)[2])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)
        self.reader.join(DEADLINE_S)

    def stop(self):
        """SIGTERM; returns the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        took = time.monotonic() - started
        self.reader.join(DEADLINE_S)
        assert code == 0, f"exit {code}: {self.lines[-5:]}"
        return took

    def __enter__(self):
        return self.wait_ready()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


def until(condition, what, deadline_s=DEADLINE_S):
    """Waits until condition() is true; a test fails with `what` when it never is."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


def main(tests):
    """Runs functions named test_*, prints TAP; exit code 1 when one failed."""
    names = [name for name in tests if name.startswith("test_")]
    only = sys.argv[1:] or names
    print(f"1..{len(only)}")
    failed = 0
    for number, name in enumerate(only, 1):
        sentence = name.removeprefix("test_")
        try:
            tests[name]()
            print(f"ok {number} - {sentence}", flush=True)
        except Exception as error:  # every failure of a test is reported as one
            import traceback
            failed += 1
            print(f"not ok {number} - {sentence}: {str(error).partition(chr(10))[0]}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
    sys.exit(1 if failed else 0)
