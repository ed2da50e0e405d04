/* What the scanner reads out of a line: columns, encodings, dialects, outcomes. */
#include "scanned.h"

/* 2026-08-20T10:00:14Z */
#define TEN_O_CLOCK 1787220014000

static void assert_is_the_upload(const struct event *e)
{
    assert_int_equal(e->kind, EVENT_TRANSFER);
    assert_int_equal(e->level, LEVEL_INFO);
    assert_int_equal(e->at_unix_ms / 1000, TEN_O_CLOCK / 1000);
    assert_text(e->logger, "piecestore");
    assert_text(e->message, "uploaded");
    assert_int_equal(e->action, ACTION_PUT);
    assert_int_equal(e->outcome, OUTCOME_COMPLETED);
    assert_int_equal(e->size_bytes, 9472);
    assert_int_equal(e->offset_bytes, EVENT_NO_NUMBER);
    assert_text(e->process, "storagenode");
    assert_text(e->piece, PIECE_ID);
    assert_text(e->satellite, US1);
    assert_text(e->remote, "[2001:db8::7]:51034");
    assert_text(e->error, "");
}

static void reads_one_upload_alike_in_every_encoding_and_dialect(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "2026-08-20T10:00:14Z\tINFO\tpiecestore\tuploaded\t{\"process\": \"storagenode\", "
        "\"piece_id\": \"" PIECE_ID "\", \"satellite_id\": \"" US1
        "\", \"action\": \"PUT\", \"remote_address\": \"[2001:db8::7]:51034\", \"size\": 9472}",
        "2026-08-20T12:00:14+02:00\tINFO\tpiecestore\tpiecestore/"
        "endpoint.go:123\tuploaded\t{\"Process\": \"storagenode\", \"Piece ID\": \"" PIECE_ID
        "\", \"Satellite ID\": \"" US1
        "\", \"Action\": \"PUT\", \"Remote Address\": \"[2001:db8::7]:51034\", \"Size\": 9472}\r",
        "2026-08-20T13:00:14.250+0300\tINFO\tpiecestore\tuploaded\t{\"Size\":9472,\"Process\":"
        "\"storagenode\",\"Process\":\"storagenode\",\"pieceID\":\"" PIECE_ID
        "\",\"satelliteID\":\"" US1
        "\",\"Action\":\"PUT\",\"Remote-Address\":\"[2001:db8::7]:51034\"}",
        "\357\273\2772026-08-20T10:00:14Z    INFO    piecestore      uploaded        {\"process\": "
        "\"storagenode\", \"PieceID\": \"" PIECE_ID "\", \"SatelliteID\": \"" US1
        "\", \"action\": \"PUT\", \"remoteAddress\": \"[2001:db8::7]:51034\", \"size\": 9472}",
        "{\"L\":\"INFO\",\"T\":\"2026-08-20T10:00:14Z\",\"N\":\"piecestore\",\"C\":\"a/"
        "b.go:1\",\"M\":\"uploaded\",\"process\":\"storagenode\",\"piece_id\":\"" PIECE_ID
        "\",\"satellite_id\":\"" US1
        "\",\"action\":\"PUT\",\"remote_address\":\"[2001:db8::7]:51034\",\"size\":9472}",
        "{\"size\":9472,\"Piece ID\":\"" PIECE_ID "\",\"Satellite ID\":\"" US1
        "\",\"Action\":\"\\u0050UT\",\"Remote "
        "Address\":\"[2001:db8::7]:51034\",\"Process\":\"storagenode\",\"M\":\"upl\\u006faded\","
        "\"N\":\"piecestore\",\"T\":\"2026-08-20T10:00:14Z\",\"L\":\"INFO\"}",
        "{\"severity\":\"INFO\",\"message\":\"uploaded\",\"size\":9472,\"logging.googleapis.com/"
        "labels\":{\"process\":\"storagenode\",\"piece_id\":\"" PIECE_ID
        "\",\"satellite_id\":\"" US1
        "\",\"action\":\"PUT\",\"remote_address\":\"[2001:db8::7]:51034\",\"name\":\"piecestore\"},"
        "\"timestamp\":{\"seconds\":1787220014,\"nanos\":123456789}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        CLEANUP(scanned_free) struct scanned s = scan(lines[i]);
        assert_is_the_upload(&s.event);
    }
}

static void reads_levels_of_google_cloud(void **state)
{
    (void)state;
    static const struct {
        const char *severity;
        enum level level;
    } cases[] = {{"DEBUG", LEVEL_DEBUG},     {"INFO", LEVEL_INFO},       {"WARNING", LEVEL_WARN},
                 {"ERROR", LEVEL_ERROR},     {"CRITICAL", LEVEL_DPANIC}, {"ALERT", LEVEL_PANIC},
                 {"EMERGENCY", LEVEL_FATAL}, {"WARN", LEVEL_NONE}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[128];
        snprintf(line, sizeof(line),
                 "{\"severity\":\"%s\",\"message\":\"x\",\"timestamp\":{\"seconds\":1,\"nanos\":"
                 "5000000}}",
                 cases[i].severity);
        CLEANUP(scanned_free) struct scanned s = scan(line);
        assert_int_equal(s.event.level, cases[i].level);
        assert_int_equal(s.event.kind == EVENT_UNPARSED, cases[i].level == LEVEL_NONE);
        assert_int_equal(s.event.at_unix_ms, cases[i].level ? 1005 : EVENT_NO_TIME);
    }
}

static void refuses_a_record_that_is_not_a_nodes(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"L\":\"INFO\"}",
        "{\"M\":\"x\"}",
        "{\"L\":\"info\",\"M\":\"x\"}",
        "{\"L\":\"INFO\",\"M\":\"x\",\"T\":\"2026-02-30T10:00:14Z\"}",
        "{\"L\":\"INFO\",\"M\":\"x\",\"T\":\"2026-02-20T10:00:14Zz\"}",
        "{\"L\":\"INFO\",\"M\":\"x\"} {",
        "{\"L\":\"INFO\",\"M\":5}",
        "{\"severity\":\"INFO\",\"message\":\"x\",\"timestamp\":{\"seconds\":-1}}",
        "{\"severity\":\"INFO\",\"message\":\"x\",\"timestamp\":{\"seconds\":1,\"nanos\":-1}}",
        "{\"log\":\"x\\n\",\"stream\":\"stderr\",\"time\":\"2026-08-20T10:00:14Z\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_int_equal(kind_of(lines[i]), EVENT_UNPARSED);
    assert_int_equal(kind_of("{\"L\":\"INFO\",\"M\":\"x\"}"), EVENT_OTHER);
}

static void tells_logger_and_caller_apart(void **state)
{
    (void)state;
    static const struct {
        const char *columns, *logger, *message;
        enum event_kind kind;
    } cases[] = {
        {"Configuration loaded", "", "Configuration loaded", EVENT_CONFIG},
        {"process/exec.go:12\tConfiguration loaded", "", "Configuration loaded", EVENT_CONFIG},
        {"trust\tScheduling next refresh", "trust", "Scheduling next refresh", EVENT_TRUST},
        {"trust\ta/b.go:1\tScheduling next refresh", "trust", "Scheduling next refresh",
         EVENT_TRUST},
        {"trust\tab.go:\tScheduling next refresh", "", "", EVENT_UNPARSED},
        {"name\t \t{\"a\": 1}", "name", "", EVENT_OTHER},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[256];
        snprintf(line, sizeof(line), "2026-08-20T10:00:14Z\tINFO\t%s", cases[i].columns);
        CLEANUP(scanned_free) struct scanned s = scan(line);
        assert_int_equal(s.event.kind, cases[i].kind);
        assert_text(s.event.logger, cases[i].logger);
        assert_text(s.event.message, cases[i].message);
    }
}

static void reads_a_line_without_time(void **state)
{
    (void)state;
    const char *line = "INFO\tpiecestore\tdownloaded\t{\"piece_id\": \"A\", \"size\": 3}";
    CLEANUP(scanned_free) struct scanned bare = scan(line);
    assert_int_equal(bare.event.kind, EVENT_TRANSFER);
    assert_int_equal(bare.event.at_unix_ms, EVENT_NO_TIME);
    CLEANUP(scanned_free) struct scanned wrapped = scan_at(line, strlen(line), 1234567);
    assert_int_equal(wrapped.event.at_unix_ms, 1234567);
}

static void takes_milliseconds_from_the_wrapper_of_the_same_second(void **state)
{
    (void)state;
    const char *whole = "2026-08-20T10:00:14Z\tINFO\ttrust\tScheduling next refresh";
    const char *fine = "2026-08-20T10:00:14.125Z\tINFO\ttrust\tScheduling next refresh";
    static const struct {
        int64_t wrapper, whole, fine;
    } cases[] = {
        {TEN_O_CLOCK + 999, TEN_O_CLOCK + 999, TEN_O_CLOCK + 125},
        {TEN_O_CLOCK + 1000, TEN_O_CLOCK, TEN_O_CLOCK + 125},
        {TEN_O_CLOCK - 1, TEN_O_CLOCK, TEN_O_CLOCK + 125},
        {EVENT_NO_TIME, TEN_O_CLOCK, TEN_O_CLOCK + 125},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(scanned_free) struct scanned a = scan_at(whole, strlen(whole), cases[i].wrapper);
        CLEANUP(scanned_free) struct scanned b = scan_at(fine, strlen(fine), cases[i].wrapper);
        assert_int_equal(a.event.at_unix_ms, cases[i].whole);
        assert_int_equal(b.event.at_unix_ms, cases[i].fine);
    }
}

struct ending {
    const char *level, *message, *fields;
    enum event_kind kind;
    enum action action;
    enum outcome outcome;
};

static void tells_how_a_transfer_ended(void **state)
{
    (void)state;
    static const struct ending cases[] = {
        {"INFO", "uploaded", "\"action\": \"PUT_REPAIR\"", EVENT_TRANSFER, ACTION_PUT_REPAIR,
         OUTCOME_COMPLETED},
        {"INFO", "downloaded", "\"action\": \"GET_AUDIT\"", EVENT_TRANSFER, ACTION_GET_AUDIT,
         OUTCOME_COMPLETED},
        {"INFO", "upload canceled", "\"action\": \"PUT\"", EVENT_TRANSFER, ACTION_PUT,
         OUTCOME_CANCELLED},
        {"INFO", "upload canceled (race lost or node shutdown)", "\"Piece ID\": \"A\"",
         EVENT_TRANSFER, ACTION_PUT, OUTCOME_CANCELLED},
        {"INFO", "download canceled (race lost or node shutdown)", "\"Piece ID\": \"A\"",
         EVENT_TRANSFER, ACTION_GET, OUTCOME_CANCELLED},
        {"DEBUG", "download canceled", "\"action\": \"GET\", \"error\": \"x\"", EVENT_TRANSFER_TWIN,
         ACTION_GET, OUTCOME_NONE},
        {"ERROR", "upload failed", "\"action\": \"PUT\"", EVENT_TRANSFER, ACTION_PUT,
         OUTCOME_FAILED},
        {"ERROR", "download failed", "\"action\": \"GET_REPAIR\"", EVENT_TRANSFER,
         ACTION_GET_REPAIR, OUTCOME_FAILED},
        {"WARN", "upload failed", "\"action\": \"PUT\"", EVENT_TRANSFER, ACTION_PUT,
         OUTCOME_FAILED_BY_PEER},
        {"INFO", "upload failed", "\"action\": \"PUT\"", EVENT_TRANSFER, ACTION_PUT,
         OUTCOME_FAILED_BY_PEER},
        {"DEBUG", "upload failed", "\"action\": \"PUT\"", EVENT_TRANSFER, ACTION_PUT,
         OUTCOME_FAILED_BY_PEER},
        {"INFO", "upload rejected, too many requests", "\"live_requests\": 8", EVENT_TRANSFER,
         ACTION_PUT, OUTCOME_REJECTED},
        {"INFO", "downloaded", "\"action\": \"GET_NEW\", \"size\": 3", EVENT_TRANSFER, ACTION_OTHER,
         OUTCOME_COMPLETED},
        {"INFO", "downloaded", "\"action\": \"\", \"piece_id\": \"A\"", EVENT_TRANSFER, ACTION_GET,
         OUTCOME_COMPLETED},
        {"INFO", "downloaded", "\"process\": \"storagenode\"", EVENT_OTHER, ACTION_NONE,
         OUTCOME_NONE},
        {"DEBUG", "upload started", "\"piece_id\": \"A\"", EVENT_TRANSFER_STARTED, ACTION_PUT,
         OUTCOME_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[256];
        snprintf(line, sizeof(line), "2026-08-20T10:00:14Z\t%s\tpiecestore\t%s\t{%s}",
                 cases[i].level, cases[i].message, cases[i].fields);
        CLEANUP(scanned_free) struct scanned s = scan(line);
        assert_int_equal(s.event.kind, cases[i].kind);
        assert_int_equal(s.event.action, cases[i].action);
        assert_int_equal(s.event.outcome, cases[i].outcome);
    }
}

static void keeps_an_unknown_action_as_written(void **state)
{
    (void)state;
    CLEANUP(scanned_free)
    struct scanned s =
        scan("2026-08-20T10:00:14Z\tINFO\tpiecestore\tdownloaded\t{\"action\": \"GET_NEW\"}");
    assert_text(s.event.action_name, "GET_NEW");
}

static void prefers_the_error_to_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *error;
    } cases[] = {
        {"\"reason\": \"context canceled\"", "context canceled"},
        {"\"error\": \"e\", \"reason\": \"r\"", "e"},
        {"\"reason\": \"r\", \"error\": \"e\"", "e"},
        {"\"reason\": \"r\", \"error\": null", "r"},
        {"\"error\": \"a\\\"b\\\\c\\n\\u00b5\\ud83d\\ude00\\ud800!\"",
         "a\"b\\c\n\302\265\360\237\230\200\357\277\275!"},
        {"\"error\": \"\xff\xfe bad \xc3\"", "\357\277\275\357\277\275 bad \357\277\275"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[256];
        snprintf(
            line, sizeof(line),
            "2026-08-20T10:00:14Z\tINFO\tpiecestore\tdownload canceled\t{\"action\": \"GET\", %s}",
            cases[i].fields);
        CLEANUP(scanned_free) struct scanned s = scan(line);
        assert_int_equal(s.event.kind, EVENT_TRANSFER);
        assert_text(s.event.error, cases[i].error);
    }
}

static void finds_the_satellite_under_all_its_names(void **state)
{
    (void)state;
    static const struct {
        const char *columns, *satellite;
    } cases[] = {
        {"orders\tfinished\t{\"satelliteID\": \"" US1 "\"}", US1},
        {"orders\tfinished\t{\"satellite ID\": \"" US1 "\"}", US1},
        {"hashstore\tbeginning compaction\t{\"satellite\": \"" US1 "\", \"id\": \"5\"}", US1},
        {"piecemigrate:chore\tcouldn't migrate\t{\"sat\": \"" US1 "\", \"id\": \"" EU1 "\"}", US1},
        {"trust\tSatellite is trusted\t{\"id\": \"" EU1 "\"}", EU1},
        {"hashstore\tmismatched log tail\t{\"id\": \"5\"}", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[512];
        snprintf(line, sizeof(line), "2026-08-20T10:00:14Z\tINFO\t%s", cases[i].columns);
        CLEANUP(scanned_free) struct scanned s = scan(line);
        assert_text(s.event.satellite, cases[i].satellite);
    }
}

static void brings_keys_into_one_spelling(void **state)
{
    (void)state;
    static const char *const keys[] = {"Total Audits",  "total_audits",      "totalAudits",
                                       "TotalAudits",   "TOTAL AUDITS",      "total-audits",
                                       "Total  Audits", "total\\u005faudits"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char line[256];
        snprintf(line, sizeof(line),
                 "2026-08-20T10:00:14Z\tINFO\tx\ty\t{\"%s\": 77, \"total audits ever\": 5}",
                 keys[i]);
        CLEANUP(scanned_free) struct scanned s = scan(line);
        assert_int_equal(s.event.total_audits, 77);
    }
}

static void reads_scores_and_counts(void **state)
{
    (void)state;
    CLEANUP(scanned_free)
    struct scanned s = scan(
        "2026-08-20T10:00:14Z\tWARN\treputation:service\tnode scores worsened\t{\"Satellite ID\": "
        "\"" US1
        "\", \"Total Audits\": 3383, \"Successful Audits\": 3380, \"Audit Score\": 1, \"Online "
        "Score\": 0.9941822, \"Suspension Score\": \"NaN\", \"Online Score Delta\": -0.0005}");
    assert_int_equal(s.event.total_audits, 3383);
    assert_int_equal(s.event.successful_audits, 3380);
    assert_true(s.event.audit_score == 1.0);
    assert_true(s.event.online_score == 0.9941822);
    assert_true(s.event.suspension_score < 0);
}

static void treats_a_negative_amount_as_unknown_and_clamps_a_huge_one(void **state)
{
    (void)state;
    static const struct {
        const char *size;
        int64_t bytes;
    } cases[] = {
        {"-5", EVENT_NO_NUMBER},
        {"\"x\"", EVENT_NO_NUMBER},
        {"null", EVENT_NO_NUMBER},
        {"[1]", EVENT_NO_NUMBER},
        {"1e400", INT64_MAX},
        {"99999999999999999999999999", INT64_MAX},
        {"9223372036854775807", INT64_MAX},
        {"1.5e3", 1500},
        {"12.9", 12},
        {"\"3.7 GiB\"", 3972844749},
        {"0", 0},
        {"-0", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[256];
        snprintf(
            line, sizeof(line),
            "2026-08-20T10:00:14Z\tINFO\tpiecestore\tuploaded\t{\"action\": \"PUT\", \"size\": %s}",
            cases[i].size);
        CLEANUP(scanned_free) struct scanned s = scan(line);
        assert_int_equal(s.event.kind, EVENT_TRANSFER);
        assert_int_equal(s.event.size_bytes, cases[i].bytes);
    }
}

static void leaves_the_line_as_it_was(void **state)
{
    (void)state;
    const char *line =
        "2026-08-20T10:00:14Z\tERROR\tx\ty\t{\"error\": \"a\\nb\", \"b\": {\"c\": [\"\\\"\"]}}";
    CLEANUP(scanned_free) struct scanned s = scan(line);
    assert_memory_equal(s.bytes, line, strlen(line));
    assert_text(s.event.tail, strchr(line, '{'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_one_upload_alike_in_every_encoding_and_dialect),
        cmocka_unit_test(reads_levels_of_google_cloud),
        cmocka_unit_test(refuses_a_record_that_is_not_a_nodes),
        cmocka_unit_test(tells_logger_and_caller_apart),
        cmocka_unit_test(reads_a_line_without_time),
        cmocka_unit_test(takes_milliseconds_from_the_wrapper_of_the_same_second),
        cmocka_unit_test(tells_how_a_transfer_ended),
        cmocka_unit_test(keeps_an_unknown_action_as_written),
        cmocka_unit_test(prefers_the_error_to_the_reason),
        cmocka_unit_test(finds_the_satellite_under_all_its_names),
        cmocka_unit_test(brings_keys_into_one_spelling),
        cmocka_unit_test(reads_scores_and_counts),
        cmocka_unit_test(treats_a_negative_amount_as_unknown_and_clamps_a_huge_one),
        cmocka_unit_test(leaves_the_line_as_it_was),
    };
    return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
