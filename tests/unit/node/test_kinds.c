/* Every kind of line of the catalogue, by a line a node of either generation would write. */
#include "scanned.h"

#define AT "2026-08-20T10:00:14Z\t"

static const struct {
    const char *line;
    enum event_kind kind;
} lines[] = {
    {AT
     "DEBUG\tpiecestore\tupload started\t{\"process\": \"storagenode\", \"piece_id\": \"" PIECE_ID
     "\", \"satellite_id\": \"" US1 "\", \"action\": \"PUT\", \"remote_address\": \"192.0.2.1:1\", "
     "\"available_space\": 14478332563968}",
     EVENT_TRANSFER_STARTED},
    {AT
     "INFO\tpiecestore\tdownload started\t{\"Process\": \"storagenode\", \"Piece ID\": \"" PIECE_ID
     "\", \"Satellite ID\": \"" US1 "\", \"Action\": \"GET\"}",
     EVENT_TRANSFER_STARTED},
    {AT "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"" PIECE_ID "\", \"size\": 1}",
     EVENT_TRANSFER},
    {AT "DEBUG\tpiecestore\tdownload canceled\t{\"piece_id\": \"" PIECE_ID "\", \"error\": \"x\"}",
     EVENT_TRANSFER_TWIN},
    {AT "ERROR\tpiecestore\tupload internal error\t{\"error\": \"x\"}", EVENT_TRANSFER_ERROR},
    {AT "WARN\tpiecestore\tupload internal error\t{\"error\": \"x\"}", EVENT_TRANSFER_ERROR},
    {AT "ERROR\tpiecestore\terror sending hash and order limit\t{\"error\": \"x\"}",
     EVENT_TRANSFER_ERROR},
    {AT "ERROR\tpiecestore\tcould not get hash and order limit\t{\"error\": \"x\"}",
     EVENT_TRANSFER_ERROR},
    {AT "WARN\tpiecestore\tfile found in trash\t{\"piece_id\": \"" PIECE_ID "\"}",
     EVENT_PIECE_CORRUPT},
    {AT "INFO\tpiecestore\tNew bloomfilter is received\t{\"satellite\": \"" US1
        "\", \"creation time\": \"x\"}",
     EVENT_BLOOM_FILTER},
    {AT "INFO\tpiecestore\tfailed to set bloom filter\t{\"error\": \"x\"}", EVENT_RETAIN_FAILED},
    {AT "INFO\tpiecedeleter\tdelete piece sent to trash\t{\"Piece ID\": \"" PIECE_ID "\"}",
     EVENT_PIECE_DELETED},
    {AT "DEBUG\torders\tsending\t{\"satellite_id\": \"" US1 "\", \"count\": 3}",
     EVENT_ORDERS_BEGIN},
    {AT "INFO\torders\tfinished\t{\"satelliteID\": \"" US1 "\", \"count\": 2052}",
     EVENT_ORDERS_SENT},
    {AT "INFO\tsomething\tfinished\t{\"count\": 2052}", EVENT_OTHER},
    {AT "ERROR\torders\tfailed to settle orders for satellite\t{\"error\": \"x\"}",
     EVENT_ORDERS_FAILED},
    {AT
     "WARN\torders\tskipping order settlement for untrusted satellite. Order will be archived\t{}",
     EVENT_ORDERS_FAILED},
    {AT "ERROR\torders\trpc client error when closing sender \t{\"error\": \"x\"}",
     EVENT_ORDERS_FAILED},
    {AT "ERROR\tcontact:service\tping satellite failed \t{\"attempts\": 3}", EVENT_CONTACT_FAILED},
    {AT "WARN\tcontact:service\tYour node is still considered to be online but encountered an "
        "error.\t{}",
     EVENT_CONTACT_FAILED},
    {AT "DEBUG\tcontact:endpoint\tpinged\t{\"by\": \"x\", \"srcAddr\": \"192.0.2.1:1\"}",
     EVENT_CONTACT},
    {AT "ERROR\tcontact:amnesty\tfailed to send amnesty report to satellite\t{}",
     EVENT_PIECE_CORRUPT},
    {AT "INFO\treputation:service\tnode scores updated\t{\"audit_score\": 1}", EVENT_NODE_SCORES},
    {AT "WARN\treputation:service\tnode scores worsened\t{\"Audit Score\": 1}", EVENT_NODE_SCORES},
    {AT "ERROR\treputation:chore\treputation chore failed\t{\"error\": \"x\"}",
     EVENT_NODESTATS_FAILED},
    {AT "WARN\tpiecestore:monitor\tDisk space is less than requested. Allocated space "
        "is\t{\"bytes\": 5}",
     EVENT_DISK_SPACE_LOW},
    {AT "WARN\tpiecestore:monitor\tUsed more space than allocated. Allocated space is "
        "5\t{\"bytes\": 5}",
     EVENT_DISK_SPACE_LOW},
    {AT "ERROR\tTotal disk space is less than required minimum\t{\"bytes\": 5}",
     EVENT_DISK_SPACE_LOW},
    {AT "DEBUG\tpiecestore:monitor\treadability check done\t{\"Duration\": \"193.716\302\265s\"}",
     EVENT_DISK_CHECK},
    {AT "ERROR\tpiecestore:monitor\ttimed out while verifying writability of storage "
        "directory\t{\"timeout\": \"1m0s\"}",
     EVENT_DISK_CHECK_FAILED},
    {AT "ERROR\tpiecestore:monitor\terror verifying location and/or readability of storage "
        "directory\t{}",
     EVENT_DISK_CHECK_FAILED},
    {AT "ERROR\tservices\tunexpected shutdown of a runner\t{\"name\": \"piecestore:monitor\", "
        "\"error\": \"x\"}",
     EVENT_SHUTDOWN},
    {AT "ERROR\tfailure during run\t{\"error\": \"x\"}", EVENT_SHUTDOWN},
    {AT "INFO\tservices\tslow shutdown\t{\"stack\": \"x\\n\\ty\"}", EVENT_NODE_STOPPING},
    {AT "INFO\tGot a signal from the OS: \"terminated\"\t{\"process\": \"storagenode\"}",
     EVENT_NODE_STOPPING},
    {AT "INFO\tConfiguration loaded\t{\"process\": \"storagenode\", \"location\": "
        "\"/app/config.yaml\"}",
     EVENT_CONFIG},
    {AT "INFO\tOperator email\t{\"Address\": \"a@example.org\"}", EVENT_CONFIG},
    {AT "INFO\tNode " US1 " started", EVENT_NODE_STARTED},
    {AT "INFO\tPublic server started on [::]:28967", EVENT_SERVER_STARTED},
    {AT "FATAL\tUnrecoverable error\t{\"error\": \"x\"}", EVENT_FATAL},
    {AT "DEBUG\tUnrecoverable error\t{\"error\": \"x\"}", EVENT_FATAL},
    {AT "FATAL\tsomething never seen\t{\"error\": \"x\"}", EVENT_FATAL},
    {AT "DPANIC\tname\tsomething never seen\t{}", EVENT_PANIC},
    {AT "PANIC\tname\tsomething never seen", EVENT_PANIC},
    {AT "ERROR\tFailed preflight check.\t{\"error\": \"x\"}", EVENT_FATAL},
    {AT
     "ERROR\tpreflight:localtime\tsystem clock is out of sync with satellite\t{\"error\": \"x\"}",
     EVENT_CLOCK},
    {AT "INFO\tpreflight:localtime\tlocal system clock is in sync with trusted satellites' system "
        "clock.\t{}",
     EVENT_CLOCK},
    {AT "DEBUG\tversion\tRunning on allowed version.\t{\"Version\": \"1.137.5\"}", EVENT_VERSION},
    {AT "WARN\tversion\tversion not allowed/outdated\t{\"current_version\": \"1.1.1\"}",
     EVENT_VERSION_OUTDATED},
    {AT "ERROR\tversion:chore\toutdated software version\t{\"error\": \"x\"}",
     EVENT_VERSION_OUTDATED},
    {AT "INFO\tRunning on version\t{\"process\": \"storagenode-updater\", \"service\": "
        "\"storagenode\", \"version\": \"v1.1.1\"}",
     EVENT_UPDATER},
    {AT "INFO\tsomething never seen\t{\"Process\": \"storagenode-updater\"}", EVENT_UPDATER},
    {AT "INFO\ttrust\tScheduling next refresh\t{\"after\": \"5h3m\"}", EVENT_TRUST},
    {AT "ERROR\ttrust\tFailed to refresh\t{\"error\": \"x\"}", EVENT_TRUST_FAILED},
    {AT "INFO\tbandwidth\tPersisting bandwidth usage cache to db\t{}", EVENT_CHORE},
    {AT "ERROR\tbandwidth\tCould not persist bandwidth cache to db\t{\"error\": \"x\"}",
     EVENT_DATABASE_FAILED},
    {AT "INFO\tcollector\texpired pieces collection started", EVENT_COLLECTOR_BEGIN},
    {AT "INFO\tcollector\texpired pieces collection completed\t{\"count\": 7}",
     EVENT_COLLECTOR_END},
    {AT "ERROR\tcollector\terror during collecting pieces: \t{\"error\": \"x\"}",
     EVENT_COLLECTOR_FAILED},
    {AT "INFO\tpieces:trash\temptying trash started\t{\"Satellite ID\": \"" US1 "\"}",
     EVENT_TRASH_BEGIN},
    {AT "INFO\tpieces:trash\temptying trash finished\t{\"elapsed\": \"346.2ms\"}", EVENT_TRASH_END},
    {AT "ERROR\tpieces:trash\temptying trash failed\t{\"error\": \"x\"}", EVENT_TRASH_FAILED},
    {AT "INFO\tpieces:trash\trestore trash started\t{}", EVENT_TRASH_RESTORED},
    {AT "INFO\tpieces\tused-space-filewalker started\t{}", EVENT_FILEWALKER_BEGIN},
    {AT "INFO\tlazyfilewalker.gc-filewalker.subprocess\tgc-filewalker "
        "completed\t{\"trashed_pieces\": 12}",
     EVENT_FILEWALKER_END},
    {AT "ERROR\tpieces\tused-space-filewalker failed\t{\"error\": \"x\"}", EVENT_FILEWALKER_FAILED},
    {AT "INFO\tlazyfilewalker.gc-filewalker\tsubprocess exited with status\t{\"status\": 1}",
     EVENT_FILEWALKER_FAILED},
    {AT "INFO\tlazyfilewalker.gc-filewalker\tsubprocess started\t{}", EVENT_FILEWALKER_STEP},
    {AT "ERROR\tblobscache\tpiecesTotal < 0\t{\"piecesTotal\": -5}", EVENT_SPACE_ACCOUNTING},
    {AT "ERROR\tpiecestore:cache\terror getting current used space for trash: \t{\"error\": \"x\"}",
     EVENT_SPACE_ACCOUNTING},
    {AT "INFO\tretain\tPrepared to run a Retain request.\t{}", EVENT_RETAIN_BEGIN},
    {AT "INFO\tretain\tMoved pieces to trash during retain\t{\"Deleted pieces\": 4}",
     EVENT_RETAIN_END},
    {AT "ERROR\tretain\tretain pieces failed\t{\"error\": \"x\"}", EVENT_RETAIN_FAILED},
    {AT "INFO\thashstore\thashstore opened successfully\t{\"satellite\": \"" US1
        "\", \"store\": \"s0\"}",
     EVENT_HASHSTORE},
    {AT "WARN\thashstore\tmismatched log tail\t{\"log\": \"x\"}", EVENT_HASHSTORE_DAMAGED},
    {AT "INFO\thashstore\tbeginning compaction\t{\"stats\": "
        "{\"NumLogs\":145,\"Table\":{\"Load\":0.42}}}",
     EVENT_COMPACTION_BEGIN},
    {AT "INFO\thashstore\thashtbl rewritten\t{\"reclaim_ratio\": \"NaN\"}", EVENT_COMPACTION_STEP},
    {AT "INFO\thashstore\tfinished compaction\t{\"duration\": \"26.051478463s\", \"stats\": {}}",
     EVENT_COMPACTION_END},
    {AT "ERROR\thashstore\tcompaction failed\t{\"error\": \"x\"}", EVENT_COMPACTION_FAILED},
    {AT "WARN\thashstore\ttrashed record was read\t{}", EVENT_PIECE_CORRUPT},
    {AT "INFO\tpiecemigrate:chore\tcouldn't migrate\t{\"sat\": \"" US1 "\", \"id\": \"x\"}",
     EVENT_MIGRATION},
    {AT "INFO\tgracefulexit:chore\tgraceful exit completed.\t{}", EVENT_GRACEFUL_EXIT},
    {AT "INFO\tforgetsatellite:chore\tcleanup completed\t{}", EVENT_FORGET_SATELLITE},
    {AT "ERROR\tnodestats:cache\tGet pricing-model/join date failed\t{\"error\": \"x\"}",
     EVENT_NODESTATS_FAILED},
    {AT "INFO\tdb\tdatabase does not exist\t{\"database\": \"x\"}", EVENT_DATABASE},
    {AT "INFO\tname\tsomething never seen\t{\"a\": [1, {\"b\": null}]}", EVENT_OTHER},
    {"Error: piecestore monitor: timed out after 1m0s", EVENT_FATAL},
    {"panic: runtime error: index out of range [3] with length 2", EVENT_PANIC},
    {"fatal error: concurrent map writes", EVENT_PANIC},
    {"runtime: out of memory: cannot allocate 4194304-byte block", EVENT_PANIC},
    {"signal: killed", EVENT_PANIC},
    {"goroutine 17 [chan receive, 5 minutes]:", EVENT_STACK},
    {"main.main()", EVENT_STACK},
    {"storj.io/storj/storagenode/piecestore.(*Endpoint).Upload(0xc000123, {0x1, 0x2})",
     EVENT_STACK},
    {"storj.io/storj/storagenode.(*Peer).Run", EVENT_STACK},
    {"\t/go/src/storj.io/storj/cmd/storagenode/main.go:12 +0x1d", EVENT_STACK},
    {"\t/usr/local/go/src/runtime/asm_amd64.s:1594", EVENT_STACK},
    {"created by storj.io/common/rpc.dial in goroutine 5", EVENT_STACK},
};

static void knows_every_kind_of_line(void **state)
{
    (void)state;
    bool seen[EVENT_KIND_COUNT] = {[EVENT_UNPARSED] = true};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        CLEANUP(scanned_free) struct scanned s = scan(lines[i].line);
        if (s.event.kind != lines[i].kind)
            print_error("%s\n", lines[i].line);
        assert_string_equal(event_kind_name(s.event.kind), event_kind_name(lines[i].kind));
        seen[s.event.kind] = true;
    }
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        if (!seen[kind])
            fail_msg("no line of kind %s", event_kind_name((enum event_kind)kind));
}

static const char *const others[] = {
    "",
    " ",
    "\r",
    "\t",
    "\xef\xbb\xbf",
    "{",
    "{}",
    "[]",
    "null",
    "user@host:~$ tail -f node.log",
    "2026-08-20 10:00:14,123 INFO spawned: 'storagenode' with pid 54",
    "2026-08-20 10:00:14,123 INFO exited: storagenode (exit status 1; not expected)",
    "storagenode.zip  42%[====>   ] 11.02M  5.1MB/s  eta 3s",
    "downloading storagenode",
    "  inflating: storagenode",
    "Archive:  storagenode.zip",
    "2026-08-20T10:00:14Z",
    "2026-08-20T10:00:14Z\t",
    "2026-08-20T10:00:14Z\tINFO",
    "2026-08-20T10:00:14Z\tINFO\t",
    "2026-08-20T10:00:14Z\tinfo\tname\tmessage",
    "2026-08-20T10:00:14Z\tNOTICE\tname\tmessage",
    "2026-08-20T10:00:14Z INFO some other program",
    "2026-08-20T10:00:14Zx\tINFO\tname\tmessage",
    "2026-08-20T10:00:14\tINFO\tname\tmessage",
    "10:00:14.000\tINFO\tname\tmessage",
    "2026-13-20T10:00:14Z\tINFO\tname\tmessage",
    AT "\x1b[34mINFO\x1b[0m\tname\tmessage",
    AT "INFO\tpiecestore\tuploaded",
    AT "INFO\tpiecestore\tuploaded\t",
    AT "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"" PIECE_ID "\", \"size\": 1",
    AT "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"" PIECE_ID "\", \"size\": 1}}",
    AT "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"" PIECE_ID "\", \"size\": 01}",
    AT "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"" PIECE_ID "\", \"size\": NaN}",
    AT "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"A\\x\"}",
    AT "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"A\", }",
    AT "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"A" AT "INFO\tConfiguration loaded\t{}",
    AT "INFO\tpiecest" AT "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"A\"}",
    AT "INFO\tpiecestore\tuplo" AT "INFO\tConfiguration loaded\t{}",
    AT "INFO\tConfigu" AT "INFO\tConfiguration loaded\t{}",
    AT "INFO\tpiecesto",
    AT "INFO\tpiecestore\tuplo",
    AT "INFO\tpiecestore\tdownload cance",
    AT "INFO\treputation:service\tnode scores upd",
    AT "INFO\tConfiguration loa",
    AT "INFO\tNode",
    "Error",
    "panic",
    "panicked: no",
    "goroutine x [running]:",
    "goroutine 1",
    "readme.main()",
    "host.example/path(x",
    "./main.sh(x)",
};

static void takes_nothing_else_for_a_node_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        CLEANUP(scanned_free) struct scanned s = scan(others[i]);
        if (s.event.kind != EVENT_UNPARSED)
            print_error("%s\n", others[i]);
        assert_string_equal(event_kind_name(s.event.kind), "unparsed");
        assert_int_equal(s.event.level, LEVEL_NONE);
        assert_null(s.event.message.at);
    }
}

static void finds_the_level_in_its_column_only(void **state)
{
    (void)state;
    CLEANUP(scanned_free)
    struct scanned s = scan(AT "WARN\tpiecestore\tupload failed\t{\"piece_id\": "
                               "\"INFODEBUGERROR\", \"error\": \"FATAL\\tx\"}");
    assert_int_equal(s.event.level, LEVEL_WARN);
    assert_int_equal(s.event.outcome, OUTCOME_FAILED_BY_PEER);
}

static void names_are_complete_and_distinct(void **state)
{
    (void)state;
    for (int a = 0; a < EVENT_KIND_COUNT; a++) {
        assert_true(*event_kind_name((enum event_kind)a));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(event_kind_name((enum event_kind)a),
                                    event_kind_name((enum event_kind)b));
    }
    assert_string_equal(action_name(ACTION_GET_AUDIT), "GET_AUDIT");
    assert_string_equal(action_name(ACTION_COUNT), "");
    assert_string_equal(outcome_name(OUTCOME_FAILED_BY_PEER), "failed_by_peer");
    assert_string_equal(level_name(LEVEL_DPANIC), "DPANIC");
    assert_string_equal(event_kind_name(EVENT_KIND_COUNT), "");
}

static void keeps_what_an_operator_may_want_to_read(void **state)
{
    (void)state;
    static const struct {
        enum event_kind kind;
        enum level level;
        bool notable;
    } cases[] = {
        {EVENT_TRANSFER, LEVEL_ERROR, false},
        {EVENT_TRANSFER_TWIN, LEVEL_DEBUG, false},
        {EVENT_TRANSFER_STARTED, LEVEL_INFO, false},
        {EVENT_STACK, LEVEL_NONE, false},
        {EVENT_UNPARSED, LEVEL_NONE, false},
        {EVENT_TRANSFER_ERROR, LEVEL_ERROR, true},
        {EVENT_OTHER, LEVEL_INFO, false},
        {EVENT_OTHER, LEVEL_WARN, true},
        {EVENT_CONTACT, LEVEL_DEBUG, false},
        {EVENT_FATAL, LEVEL_DEBUG, true},
        {EVENT_FATAL, LEVEL_NONE, true},
        {EVENT_PANIC, LEVEL_NONE, true},
        {EVENT_NODE_STARTED, LEVEL_INFO, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct event e = {.kind = cases[i].kind, .level = cases[i].level};
        assert_int_equal(event_is_notable(&e), cases[i].notable);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_kind_of_line),
        cmocka_unit_test(takes_nothing_else_for_a_node_line),
        cmocka_unit_test(finds_the_level_in_its_column_only),
        cmocka_unit_test(names_are_complete_and_distinct),
        cmocka_unit_test(keeps_what_an_operator_may_want_to_read),
    };
    return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
