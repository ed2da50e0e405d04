"""kill -9 at random instants while a log is written, rotated both ways, compressed and truncated: after
the last restart the export equals what was written, nothing lost, nothing doubled.

    KILLS=50 SEED=1 python3 tests/integration/kill.py
"""
import gzip
import os
import random
import shutil
import sys
import tempfile
import threading
import time

import model
import program

KILLS = int(os.environ.get("KILLS", "50"))
SEED = int(os.environ.get("SEED", str(int(time.time()))))
KEEP_ROTATED = 6


class Node(threading.Thread):
    """Writes log lines and rotates, as a node and a logrotate would. Everything written is recorded
    before it reaches the file's last byte, so the record is what the log said."""

    def __init__(self, path, seed):
        super().__init__(daemon=True)
        self.path, self.rng = path, random.Random(seed)
        self.stopping, self.written, self.error = threading.Event(), [], None
        self.pause, self.paused = threading.Event(), threading.Event()
        self.at = 1787220014
        self.file = open(path, "ab", buffering=0)
        self.counts = {"rename": 0, "copytruncate": 0, "gzip": 0, "truncate": 0, "delete": 0}

    def run(self):
        try:
            while not self.stopping.is_set():
                if self.pause.is_set():
                    self.paused.set()
                    time.sleep(0.001)
                    continue
                self.paused.clear()
                self.write()
                if self.rng.random() < 0.02:
                    self.rotate()
                time.sleep(self.rng.random() * 0.004)
        except Exception as error:  # reported by the main thread
            self.error = error

    def write(self):
        self.at += self.rng.random() < 0.1
        lines = [model.transfer_line(self.rng, self.at) if self.rng.random() < 0.9 else
                 model.other_line(self.rng, self.at) for _ in range(self.rng.randrange(1, 60))]
        self.written += lines
        data = "".join(model.console(line) + "\n" for line in lines).encode()
        # In pieces that do not end at line ends, as the kernel may show them to a reader.
        while data:
            cut = self.rng.randrange(1, len(data) + 1)
            self.file.write(data[:cut])
            data = data[cut:]

    def shift(self):
        names = sorted((int(name[len("node.log."):].split(".")[0]), name)
                       for name in os.listdir(os.path.dirname(self.path)) if name.startswith("node.log."))
        for number, name in reversed(names):
            folder = os.path.dirname(self.path)
            rest = ".gz" if name.endswith(".gz") else ""
            os.rename(os.path.join(folder, name), f"{self.path}.{number + 1}{rest}")

    def rotate(self):
        self.shift()
        if self.rng.random() < 0.5:
            self.counts["rename"] += 1
            os.rename(self.path, self.path + ".1")
            if self.rng.random() < 0.5:
                self.write()  # the node still writes into the renamed file
            self.file.close()
            self.file = open(self.path, "ab", buffering=0)
        else:
            self.counts["copytruncate"] += 1
            shutil.copyfile(self.path, self.path + ".1")
            os.truncate(self.path, 0)
        if os.path.exists(self.path + ".2") and self.rng.random() < 0.5:
            self.counts["gzip"] += 1
            with open(self.path + ".2", "rb") as source, gzip.open(self.path + ".2.gz", "wb") as packed:
                shutil.copyfileobj(source, packed)
            os.remove(self.path + ".2")

    def hold(self):
        self.pause.set()
        self.paused.wait(program.DEADLINE_S)

    def go_on(self):
        self.pause.clear()


def caught_up(db, node):
    """All written lines are in the database (the node holds still meanwhile)."""
    want = sum(1 for line in node.written if line.transfer)
    return lambda: len(program.export(db)[1]) >= want


def truncate_or_delete(db, node, rng):
    """Only what was read may vanish: wait until it is, then truncate, or delete the rotated files."""
    node.hold()
    program.until(caught_up(db, node), "the log was read to its end")
    if rng.random() < 0.5:
        node.counts["truncate"] += 1
        os.truncate(node.path, 0)
    else:
        node.counts["delete"] += 1
        for name in os.listdir(os.path.dirname(node.path)):
            if name.startswith("node.log."):
                os.remove(os.path.join(os.path.dirname(node.path), name))
    node.go_on()


def test_nothing_is_lost_and_nothing_doubled():
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "logs"))
        path, db = os.path.join(folder, "logs/node.log"), os.path.join(folder, "x.db")
        node = Node(path, SEED)
        node.start()
        for number in range(KILLS):
            daemon = program.Daemon(db, {"n": path})
            if number % 10 == 9:
                daemon.wait_ready()
                truncate_or_delete(db, node, rng)
            time.sleep(rng.random() * rng.choice([0.02, 0.1, 0.3]))
            daemon.kill()
            assert not node.error, node.error
        node.stopping.set()
        node.join()
        want = sorted(model.expected(node.written, "n"))
        with program.Daemon(db, {"n": path}) as daemon:
            program.until(lambda: len(program.export(db)[1]) >= len(want), "all lines were read")
            time.sleep(0.5)  # time enough for a double to show itself
            took = daemon.stop()
        got = sorted(program.export(db)[1])
        print(f"# seed {SEED}: {KILLS} kills, {node.counts}, {len(node.written)} lines, "
              f"{len(want)} transfers, clean stop in {took:.2f} s")
        lost, extra = set(want) - set(got), set(got) - set(want)
        assert not lost, f"seed {SEED}: {len(lost)} lost, first {sorted(lost)[0]}"
        assert not extra, f"seed {SEED}: {len(extra)} that were never written, first {sorted(extra)[0]}"
        assert len(got) == len(want), f"seed {SEED}: {len(got) - len(want)} doubled"


if __name__ == "__main__":
    program.main(globals())
