"""onewriter as a program outside of this repository gets it: installed into an empty folder, found with
pkg-config, linked shared and static, from C and C++; and the manual against the header."""
import os
import re
import shlex
import shutil
import subprocess
import tempfile

import program

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BUILD = os.environ.get("LIBRARY_BUILD") or os.path.join(SOURCE, "build")
EMBEDS_SQLITE = bool(os.environ.get("EMBEDS_SQLITE"))
CC = shlex.split(os.environ.get("CC", "cc"))
CXX = [next(name for name in ("c++", "clang++") if shutil.which(name))]
STRICT = ["-Wall", "-Wextra", "-Werror"]

HEADER = open(os.path.join(SOURCE, "src/onewriter/onewriter.h"), encoding="utf-8").read()
MANUAL = open(os.path.join(SOURCE, "docs/onewriter.md"), encoding="utf-8").read()


def call(*args, env=None, cwd=None):
    done = subprocess.run(args, capture_output=True, text=True, timeout=300, cwd=cwd,
                          env={**os.environ, **(env or {})})
    if done.returncode:
        raise AssertionError(f"{shlex.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed:
    """The library below a temporary folder, as `make install` leaves it there."""

    def __init__(self, folder):
        self.folder = folder
        call(os.environ.get("MESON", "meson"), "install", "-C", BUILD, "--no-rebuild", "--quiet",
             "--destdir", folder)
        configured = call(os.environ.get("MESON", "meson"), "introspect", "--buildoptions", BUILD)
        self.prefix = folder + re.search(r'"name": "prefix", "value": "([^"]*)"', configured).group(1)
        self.lib = os.path.join(self.prefix, "lib")

    def flags(self, *what):
        return shlex.split(call("pkg-config", *what, "onewriter",
                                env={"PKG_CONFIG_PATH": f"{self.lib}/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": self.folder}))

    def compile(self, source, static=False, compiler=CC, more=()):
        """Returns the program made of one source file."""
        program_path = os.path.join(self.folder, os.path.basename(source) + (".static" if static else ".shared"))
        libraries = self.flags("--libs", *(["--static"] if static else []))
        if static:
            libraries = [f"{self.lib}/libonewriter.a" if flag == "-lonewriter" else flag for flag in libraries]
        call(*compiler, *STRICT, *self.flags("--cflags"), source, "-o", program_path, *libraries, *more)
        return program_path

    def run(self, program_path, *args):
        return call(program_path, *args, env={"LD_LIBRARY_PATH": self.lib}, cwd=self.folder)


class installed:
    """with installed() as library: ..."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="onewriter-")
        return Installed(self.folder)

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


def declared():
    """Names of the functions of the header."""
    names = set(re.findall(r"^OW_API\b[^;(]*?\b(ow_\w+)\(", HEADER, re.M))
    assert len(names) > 50, names
    return names


def base_functions():
    """Names of the functions of src/base, which no user of the library has."""
    names, folder = set(), os.path.join(SOURCE, "src/base")
    for name in os.listdir(folder):
        if name.endswith(".h"):
            with open(os.path.join(folder, name), encoding="utf-8") as header:
                names |= set(re.findall(r"^[a-z][\w ]*?[ *](\w+)\(", header.read(), re.M))
    assert {"mutex_init", "clock_monotonic_us", "err_set"} <= names, names
    return names


def needs(path):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", call("readelf", "-d", path))


def same(got, want, what):
    assert set(got) == set(want), (f"{what}: lacks {sorted(set(want) - set(got))}, "
                                   f"has beyond that {sorted(set(got) - set(want))}")


# ---- what is installed


def test_install_puts_the_library_beside_the_program():
    with installed() as library:
        for path in ["bin/nodewatch", "include/onewriter/onewriter.h", "lib/libonewriter.a", "lib/libonewriter.so.0",
                     "lib/libonewriter.so", "lib/pkgconfig/onewriter.pc", "share/doc/onewriter/onewriter.md",
                     "share/doc/onewriter/examples/first.c"]:
            assert os.path.exists(os.path.join(library.prefix, path)), f"{path} was not installed"
        soname = re.search(r"\(SONAME\).*\[(.*)\]", call("readelf", "-d", f"{library.lib}/libonewriter.so")).group(1)
        assert soname == "libonewriter.so.0", soname
        with open(f"{library.lib}/libonewriter.a", "rb") as archive:
            assert archive.read(8) == b"!<arch>\n", "a thin archive is of no use elsewhere"


def test_the_shared_library_shows_what_the_header_declares_and_nothing_else():
    with installed() as library:
        names = call("nm", "-D", "--defined-only", "--format=just-symbols", f"{library.lib}/libonewriter.so").split()
        same(names, declared(), "libonewriter.so")


def test_the_static_library_shows_what_the_header_declares_and_needs_nothing_of_ours():
    with installed() as library:
        archive = f"{library.lib}/libonewriter.a"
        symbols = [line.split()[-2:] for line in call("nm", "-g", archive).splitlines() if len(line.split()) > 1]
        missing = {name for kind, name in symbols if kind == "U"}
        same({name for kind, name in symbols if kind != "U"}, declared(), "libonewriter.a")
        ours = missing & base_functions() | {name for name in missing if name.startswith("ow_")}
        assert not ours, f"libonewriter.a needs {sorted(ours)}"


def test_the_library_uses_the_sqlite_of_the_program_that_links_it():
    with installed() as library:
        requires = call("pkg-config", "--print-requires", "onewriter",
                        env={"PKG_CONFIG_PATH": f"{library.lib}/pkgconfig"}).split()
        linked = [name for name in needs(f"{library.lib}/libonewriter.so") if name.startswith("libsqlite3")]
        outside = "sqlite3_open_v2" in call("nm", "-g", "--format=just-symbols", f"{library.lib}/libonewriter.a").split()
        if EMBEDS_SQLITE:
            assert not requires and not linked and not outside, (requires, linked, outside)
            assert os.path.exists(os.path.join(library.prefix, "include/onewriter/sqlite3.h"))
        else:
            assert requires == ["sqlite3"] and linked == ["libsqlite3.so.0"] and outside, (requires, linked, outside)


# ---- what is built with it

EXAMPLES = {
    "first.c": ([], r"1: written once, for good\n"),
    "server.c": (["-pthread"], r"(?s)6400 requests served, 0 refused.*1600 orders acknowledged, 0 of them lost.*"
                               r"a look around pins the log"),
    "loop.c": (shlex.split(call("pkg-config", "--libs", "libevent")), r"8 clients, 100 rounds each"),
}


def build_and_run_examples(static):
    with installed() as library:
        for name, (more, pattern) in EXAMPLES.items():
            path = library.compile(os.path.join(SOURCE, "examples", name), static, more=more)
            ours = [need for need in needs(path) if need.startswith("libonewriter")]
            assert ours == ([] if static else ["libonewriter.so.0"]), ours
            said = library.run(path, name + ".db")
            assert re.search(pattern, said), f"{name} said:\n{said}"


def test_the_examples_build_and_run_with_the_shared_library():
    build_and_run_examples(static=False)


def test_the_examples_build_and_run_with_the_static_library():
    build_and_run_examples(static=True)


CXX_PROGRAM = r"""
#include <onewriter/onewriter.h>
#include <stdio.h>

static int insert(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct ow_value values[] = {ow_int(7), ow_real(0.5), ow_text("seven"), ow_blob(ctx, 3), ow_null()};
    return ow_run(conn, "INSERT INTO t VALUES(?1, ?2, ?3, ?4, ?5)", values, 5, err);
}

int main()
{
    static const struct ow_migration steps[] = {{1, "CREATE TABLE t(i, r, t, b, n)"}};
    struct ow_options options;
    struct ow_err err = {};
    struct ow *db = nullptr;
    struct ow_read how = {};
    struct ow_conn *reader = nullptr;
    int64_t found = 0;
    char bytes[] = "abc";
    ow_options_init(&options, "cxx.db");
    int rc = ow_open(&options, &db, &err);
    if (!rc)
        rc = ow_migrate(db, steps, 1, &err);
    if (!rc)
        rc = ow_write(db, OW_LANE_NORMAL | OW_DURABLE, insert, bytes, 5000, &err);
    how.label = "check";
    how.timeout_ms = 5000;
    if (!rc)
        rc = ow_reader_acquire(db, &how, &reader, &err);
    if (!rc)
        rc = ow_get_int(reader, "SELECT count(*) FROM t WHERE i = 7 AND r = 0.5 AND t = 'seven' AND b = x'616263'"
                                " AND n IS NULL", nullptr, 0, &found, &err);
    ow_reader_release(reader);
    printf("%s %d\n", rc ? err.text : "found", (int)found);
    return ow_close(db, 5000, nullptr, nullptr) || rc;
}
"""


def test_a_program_in_cxx_builds_and_runs():
    with installed() as library:
        source = os.path.join(library.folder, "program.cc")
        with open(source, "w", encoding="utf-8") as out:
            out.write(CXX_PROGRAM)
        for static in False, True:
            path = library.compile(source, static, CXX + ["-std=c++11"])
            said = library.run(path)
            assert said.strip() == f"found {1 + static}", said


# ---- the manual


def blocks():
    found = re.findall(r"^```c\n(.*?)^```$", MANUAL, re.M | re.S)
    assert len(found) > 5, len(found)
    return found


def test_the_quick_start_is_the_first_example():
    with open(os.path.join(SOURCE, "examples/first.c"), encoding="utf-8") as file:
        assert blocks()[0] == file.read(), "the first program of docs/onewriter.md is not examples/first.c"


def test_every_piece_of_c_in_the_manual_compiles_and_its_programs_run():
    headers = "".join(f"#include <{name}>\n" for name in ["onewriter/onewriter.h", "stdio.h", "stdlib.h", "pthread.h"])
    with installed() as library:
        programs = 0
        for number, block in enumerate(blocks()):
            source = os.path.join(library.folder, f"block-{number}.c")
            whole = re.search(r"^int main\(", block, re.M)
            with open(source, "w", encoding="utf-8") as out:
                out.write(block if whole else headers + block)
            if whole:
                library.run(library.compile(source, more=["-pthread"]))
                programs += 1
            else:
                call(*CC, *STRICT, "-Wno-unused-function", "-fsyntax-only", *library.flags("--cflags"), source)
        assert programs >= 2, programs


def struct_fields(name):
    body = re.search(rf"^struct {name} \{{\n(.*?)^\}};", HEADER, re.M | re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    body = re.sub(r"\(\*(\w+)\)\([^)]*\)", r"\1", body)  # pointers to functions
    return re.findall(r"(\w+)(?:\[\w+\])?\s*[,;]", body)


def test_the_manual_names_every_function_setting_event_code_and_class_of_the_header():
    words = set(re.findall(r"\w+", MANUAL))
    constants = set(re.findall(r"\b(OW_(?:EVENT|CLASS|WHO)_\w+)\b", HEADER)) - {"OW_EVENT_KINDS"}
    codes = set(re.findall(r"^    (OW_[A-Z_]+) = \d+,", re.search(r"enum ow_code \{.*?\}", HEADER, re.S).group(0), re.M))
    wanted = declared() | constants | codes | set(struct_fields("ow_options")) | set(struct_fields("ow_metrics"))
    assert not wanted - words, f"docs/onewriter.md lacks {sorted(wanted - words)}"


def test_the_manual_names_no_function_or_constant_that_the_header_lacks():
    known = set(re.findall(r"\w+", HEADER))
    written = set(re.findall(r"\b(?:ow|OW)_\w*[a-zA-Z0-9]\b", MANUAL))
    table_names = {"ow_commit"}
    gone = {name for name in written if name not in known} - table_names
    assert not gone, f"docs/onewriter.md names {sorted(gone)}"


def number(text):
    """A cell of the settings tables as the number that the program prints."""
    text = text.strip().strip("`")
    amount = re.fullmatch(r"(\d+) MB", text)
    return {"true": 1, "false": 0}.get(text, int(amount.group(1)) << 20 if amount else None) \
        if not text.isdigit() else int(text)


def settings_of_the_library(library):
    fields = [field for field in struct_fields("ow_options")
              if field not in ("struct_size", "path", "observer", "observer_ctx", "lane")]
    fields += ["lane[0].max_jobs", "lane[0].max_bytes"]
    prints = "".join(f'    printf("%s {field} %lld\\n", name, (long long)o.{field});\n' for field in fields)
    source = os.path.join(library.folder, "settings.c")
    with open(source, "w", encoding="utf-8") as out:
        out.write(f"""#include <onewriter/onewriter.h>
#include <stdio.h>
static void show(const char *name, enum ow_profile profile)
{{
    struct ow_options o;
    ow_options_init(&o, "x.db");
    ow_options_profile(&o, profile);
{prints}}}
int main(void)
{{
    show("balanced", OW_BALANCED);
    show("concurrency", OW_CONCURRENCY);
    show("latency", OW_LATENCY);
    show("small", OW_SMALL);
    return 0;
}}
""")
    values = {}
    for line in library.run(library.compile(source)).splitlines():
        profile, field, value = line.split()
        values.setdefault(profile, {})[field.replace("[0]", "[]")] = int(value)
    return values


def test_the_manual_gives_the_defaults_and_the_profiles_of_the_library():
    with installed() as library:
        values = settings_of_the_library(library)
    profiles = list(values)
    chapter = re.search(r"^## Settings$.*?(?=^\| profile)", MANUAL, re.M | re.S).group(0)
    defaults = dict(re.findall(r"^\| `([\w.\[\]]+)` \| ([^|]+) \| ", chapter, re.M))
    by_sqlite = {"mmap_bytes"}  # its default depends on the SQLite that is linked
    for field, value in values["balanced"].items():
        if field not in by_sqlite:
            assert number(defaults[field]) == value, f"{field} is {value}, the manual says {defaults[field]}"
    head, *rows = re.search(r"^\| profile decides .*?(?=\n\n)", MANUAL, re.M | re.S).group(0).splitlines()
    assert [cell.strip(" `") for cell in head.split("|")[2:-1]] == profiles, head
    decided = set()
    for row in rows[1:]:
        field, *cells = [cell.strip(" `") for cell in row.split("|")[1:-1]]
        decided.add(field)
        for profile, cell in zip(profiles, cells):
            if field not in by_sqlite or profile == "small":
                assert number(cell) == values[profile][field], f"{field} in {profile}: {values[profile][field]}"
    differ = {field for field in values["balanced"] for profile in profiles
              if values[profile][field] != values["balanced"][field]} | by_sqlite
    same(decided, differ, "the table of profiles")


EVENT_LINES = r"""
#include <onewriter/onewriter.h>
#include <stdio.h>

int main(void)
{
    for (int kind = 0; kind < OW_EVENT_KINDS; kind++) {
        struct ow_event event = {(enum ow_event_kind)kind, 0, 0, 500, "database is locked"};
        char line[400];
        event.a = kind == OW_EVENT_POOL_OPENED ? 5 : kind == OW_EVENT_EXECUTOR_OPENED ? 10 : kind == OW_EVENT_RETRY ? 1 : 3;
        event.b = kind == OW_EVENT_RETRY ? 3 : OW_LANE_BULK;
        ow_event_line(&event, line, sizeof(line));
        puts(line);
    }
    return 0;
}
"""


def test_the_manual_gives_the_log_lines_of_the_library():
    kinds = re.findall(r"^    (OW_EVENT_\w+),", HEADER, re.M)[:-1]
    rows = dict(re.findall(r"^\| `(OW_EVENT_\w+)` \| `([^`]+)` \| ", MANUAL, re.M))
    same(rows, kinds, "the table of events")
    with installed() as library:
        source = os.path.join(library.folder, "events.c")
        with open(source, "w", encoding="utf-8") as out:
            out.write(EVENT_LINES)
        lines = library.run(library.compile(source)).splitlines()
    assert len(lines) == len(kinds), lines
    for kind, line in zip(kinds, lines):
        assert line.startswith(rows[kind]), f"{kind}: {line}"


if __name__ == "__main__":
    program.main(globals())
