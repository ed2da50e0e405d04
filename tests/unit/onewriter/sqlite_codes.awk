# From "#define NAME value" lines of sqlite3.h to "{NAME, "NAME"}," rows: the 31 primary codes by name,
# the extended ones by their form (PRIMARY | (n<<8)).
BEGIN {
    split("OK ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND " \
          "FULL CANTOPEN PROTOCOL EMPTY SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT " \
          "RANGE NOTADB NOTICE WARNING ROW DONE", names, " ")
    for (i in names) primary["SQLITE_" names[i]] = 1
}
$1 == "#define" && ($2 in primary || $0 ~ /\(SQLITE_[A-Z]+ *\| *\([0-9]+ *<< *8\)\)/) {
    printf "{%s, \"%s\"},\n", $2, $2
}
