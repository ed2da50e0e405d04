"""A model of what a storage node logs: events as data, and the same events as the node would write them
in every dialect, encoding and wrapper. What is exported must be what the model says, whatever the
clothes."""
import base64
import gzip
import json
import random
from datetime import datetime, timezone

SATELLITES = [
    "12EayRS2V1kEsWESU9QMRseFhdxYxKicsiFmxrsLZHeLUtdps3S",
    "12L9ZFwhzVpuEKMUNUqkaTLGzwY9G24tbiigLiXpmZWKwmcNDDs",
    "121RTSDpyNZVcEU84Ticf2L1ntiuUimbWgfATz21tuvgk3vzoA6",
    "1wFTAgs9DP5RSnCqKV1eLf6N9wtk4EAtmN5DpSxcs8EjT69tGE",
]

OLD_KEYS = {
    "process": "Process", "piece_id": "Piece ID", "satellite_id": "Satellite ID", "action": "Action",
    "offset": "Offset", "size": "Size", "remote_address": "Remote Address",
    "available_space": "Available Space", "total_audits": "Total Audits",
    "successful_audits": "Successful Audits", "audit_score": "Audit Score",
    "online_score": "Online Score", "suspension_score": "Suspension Score", "duration": "Duration",
    "created_before": "Created Before", "deleted_pieces": "Deleted pieces",
}

GCLOUD_LEVEL = {"DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARNING", "ERROR": "ERROR", "FATAL": "EMERGENCY"}

CSV_FIELDS = ["time", "node", "satellite", "action", "outcome", "size", "piece", "remote",
              "duration_ms", "error"]


class Line:
    """One line of a node, and the transfer it must be exported as (None: none)."""

    def __init__(self, at, level, logger, message, fields, transfer=None):
        self.at, self.level, self.logger, self.message = at, level, logger, message
        self.fields, self.transfer = fields, transfer


def piece_id(rng):
    return base64.b32encode(rng.randbytes(32)).decode().rstrip("=")


def remote(rng):
    if rng.random() < 0.2:
        return f"[2001:db8::{rng.randrange(1, 0xffff):x}]:{rng.randrange(1024, 65535)}"
    return f"198.51.100.{rng.randrange(1, 255)}:{rng.randrange(1024, 65535)}"


ERRORS = [
    "context deadline exceeded",
    "file does not exist",
    'manager closed: read tcp 10.0.0.5:28967->203.0.113.21:50338: read: "connection" refused',
    "write \\ path\tC:\\data\nsecond line é 😀",
    "<img src=x onerror=alert(1)>",
]


def transfer_line(rng, at):
    upload = rng.random() < 0.45
    action = rng.choice(["PUT", "PUT", "PUT", "PUT_REPAIR"] if upload else
                        ["GET", "GET", "GET", "GET_AUDIT", "GET_REPAIR"])
    word = "upload" if upload else "download"
    fields = {"process": "storagenode", "piece_id": piece_id(rng), "satellite_id": rng.choice(SATELLITES),
              "action": action}
    if not upload:
        fields["offset"] = rng.randrange(0, 1 << 21)
        fields["size"] = rng.randrange(0, 1 << 22)
    fields["remote_address"] = remote(rng)
    if upload:
        fields["size"] = rng.randrange(0, 1 << 22)
    kind, level, outcome, error = rng.random(), "INFO", "completed", ""
    message = "uploaded" if upload else "downloaded"
    if kind < 0.08:
        message, outcome = f"{word} canceled", "cancelled"
        if not upload and rng.random() < 0.7:
            error = fields["reason"] = rng.choice(
                ["context canceled", "stream closed by peer",
                 "downloaded size (327680 bytes) does not match received message size (362496 bytes)"])
        elif not upload:
            message += " (race lost or node shutdown)"
    elif kind < 0.14:
        message, level, outcome = f"{word} failed", "ERROR", "failed"
        error = fields["error"] = rng.choice(ERRORS)
        fields["errorVerbose"] = error + "\n\tstorj.io/drpc/drpcstream.(*Stream).rawWriteLocked:402"
    elif kind < 0.17 and upload:
        message, level, outcome = "upload failed", rng.choice(["DEBUG", "WARN"]), "failed_by_peer"
        error = fields["error"] = rng.choice(["unexpected EOF", "write: broken pipe"])
    transfer = {"satellite": fields["satellite_id"], "action": action, "outcome": outcome,
                "size": str(fields["size"]), "piece": fields["piece_id"],
                "remote": fields["remote_address"], "duration_ms": "", "error": error}
    return Line(at, level, "piecestore", message, fields, transfer)


def other_line(rng, at):
    satellite = rng.choice(SATELLITES)
    choice = rng.randrange(8)
    if choice == 0:
        return Line(at, "DEBUG", "piecestore", "download started",
                    {"process": "storagenode", "piece_id": piece_id(rng), "satellite_id": satellite,
                     "action": "GET", "offset": 0, "size": 2319360, "remote_address": remote(rng)})
    if choice == 1:
        return Line(at, "INFO", "reputation:service", "node scores updated",
                    {"process": "storagenode", "satellite_id": satellite, "total_audits": 3383,
                     "successful_audits": 3380, "audit_score": 1, "online_score": 0.9989,
                     "suspension_score": 1})
    if choice == 2:
        return Line(at, "DEBUG", "piecestore", "download canceled",
                    {"process": "storagenode", "piece_id": piece_id(rng), "satellite_id": satellite,
                     "action": "GET", "offset": 0, "size": 1, "remote_address": remote(rng),
                     "error": "context canceled"})
    if choice == 3:
        return Line(at, "ERROR", "piecestore", "upload internal error", {"process": "storagenode", "error": "manager closed"})
    if choice == 4:
        return Line(at, "INFO", None, "Configuration loaded", {"process": "storagenode", "location": "/app/config/config.yaml"})
    if choice == 5:
        return Line(at, "INFO", "hashstore", "finished compaction",
                    {"process": "storagenode", "satellite": satellite, "store": "s0", "duration": "26.05s",
                     "stats": {"NumLogs": 143, "LenLogs": "131.2 GiB", "Table": {"Load": 0.41}}})
    if choice == 6:
        return Line(at, "DEBUG", "piecestore:monitor", "readability check done", {"process": "storagenode", "duration": "193.716µs"})
    line = Line(at, "INFO", "piecestore", "upload rejected, too many requests",
                {"process": "storagenode", "live_requests": 8, "request_limit": 7})
    line.transfer = {"satellite": "", "action": "PUT", "outcome": "rejected", "size": "", "piece": "",
                     "remote": "", "duration_ms": "", "error": ""}
    return line


def make(seed, count, start=1787220014):
    """count lines from one second on, a few a second; node lines only."""
    rng = random.Random(seed)
    at, lines = start, []
    for _ in range(count):
        at += rng.random() < 0.3
        lines.append(transfer_line(rng, at) if rng.random() < 0.8 else other_line(rng, at))
    return lines


NOT_NODE_LINES = [
    "root@nas:~# tail -f node.log", "", "   ", "{", '{"log":', '{"a": 1}', "2026-08-20T10:00:14Z",
    "2026-08-20T10:00:14Z\tINFO", "2026-08-20T10:00:14Z\tINFO\tpiecestore\tuploaded\t{\"piece_id\": \"A",
    "2026-13-45T10:00:14Z\tINFO\tpiecestore\tuploaded\t{}", "downloading storagenode 45%",
    "2026-08-20 10:00:14,123 INFO spawned: 'storagenode' with pid 54",
]


def rfc3339(at, zone=0):
    text = datetime.fromtimestamp(at + zone * 60, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return text + ("Z" if zone == 0 else f"{'+' if zone > 0 else '-'}{abs(zone) // 60:02d}:{abs(zone) % 60:02d}")


def zap_json(fields):
    return json.dumps(fields, ensure_ascii=False)


def old_fields(line):
    return {OLD_KEYS.get(key, key): value for key, value in line.fields.items()}


def console(line, old=False, zone=0):
    columns = [rfc3339(line.at, zone), line.level] + ([line.logger] if line.logger else []) + [line.message]
    fields = old_fields(line) if old else line.fields
    return "\t".join(columns + [zap_json(fields)])


def as_json(line, old=False):
    out = {"L": line.level, "T": rfc3339(line.at)}
    if line.logger:
        out["N"] = line.logger
    out["M"] = line.message
    out.update(old_fields(line) if old else line.fields)
    return json.dumps(out, ensure_ascii=False, separators=(",", ":"))


def as_gcloud(line, old=False):
    fields = old_fields(line) if old else line.fields
    labels = {key: value for key, value in fields.items() if isinstance(value, str)}
    if line.logger:
        labels["name"] = line.logger
    out = {"severity": GCLOUD_LEVEL[line.level], "message": line.message}
    out.update({key: value for key, value in fields.items() if not isinstance(value, str)})
    out["logging.googleapis.com/labels"] = labels
    out["timestamp"] = {"seconds": line.at, "nanos": 0}
    return json.dumps(out, ensure_ascii=False, separators=(",", ":"))


def docker(text, at, split=16384):
    """docker's json-file: a message longer than 16 KiB is split, only its last part ends in LF."""
    data = text + "\n"
    raw = data.encode()
    parts = []
    while raw:
        cut = min(split, len(raw))
        while cut < len(raw) and raw[cut] & 0xC0 == 0x80:
            cut -= 1
        parts.append(raw[:cut].decode())
        raw = raw[cut:]
    stamp = rfc3339(at)[:-1] + ".000000000Z"
    return "\n".join(json.dumps({"log": part, "stream": "stderr", "time": stamp}, ensure_ascii=False) for part in parts)


def cri(text, at, split=4096):
    stamp = rfc3339(at)[:-1] + ".000000000Z"
    parts = [text[i:i + split] for i in range(0, max(len(text), 1), split)]
    return "\n".join(f"{stamp} stderr {'F' if i == len(parts) - 1 else 'P'} {part}" for i, part in enumerate(parts))


ENCODINGS = {
    "console": lambda line: console(line),
    "console_old": lambda line: console(line, old=True),
    "console_zone": lambda line: console(line, zone=330),
    "console_old_zone": lambda line: console(line, old=True, zone=-420),
    "json": as_json,
    "json_old": lambda line: as_json(line, old=True),
    "gcloud": as_gcloud,
    "gcloud_old": lambda line: as_gcloud(line, old=True),
}
WRAPPERS = {"plain": lambda text, at: text, "docker": docker, "cri": cri}


def file_text(lines, encoding, wrapper):
    return "".join(WRAPPERS[wrapper](ENCODINGS[encoding](line), line.at) + "\n" for line in lines)


def expected(lines, node):
    """The records an export must hold, as tuples of CSV_FIELDS, in order."""
    records = []
    for line in lines:
        if line.transfer:
            record = dict(line.transfer, time=rfc3339(line.at)[:-1] + ".000Z", node=node)
            records.append(tuple(record[field] for field in CSV_FIELDS))
    return records


def gz(text):
    return gzip.compress(text.encode(), 6)
