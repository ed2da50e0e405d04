/* Authorizers (guard.h). SQLite asks them while it prepares a statement, so they cost nothing when
 * statements run. Neither mode=ro nor query_only stops a connection from starting a checkpoint, and
 * a checkpoint beside the writer's corrupts the file in SQLite before 3.51.3; hence a list of what
 * is allowed, not of what is known to be bad. What must stay true: a pragma that is not listed is
 * refused. */
#include "onewriter/guard.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "onewriter/number.h"

struct pragma_rule {
    const char *name;
    bool with_value;  /* an argument is a subject (a table), not a new setting */
    bool job_may_set; /* a job may give a value: transactional or harmless */
};

static const struct pragma_rule pragmas[] = {
    {"table_info", true, true},           {"table_xinfo", true, true},
    {"table_list", true, true},           {"index_list", true, true},
    {"index_info", true, true},           {"index_xinfo", true, true},
    {"foreign_key_list", true, true},     {"foreign_key_check", true, true},
    {"integrity_check", true, true},      {"quick_check", true, true},
    {"database_list", false, false},      {"collation_list", false, false},
    {"function_list", false, false},      {"module_list", false, false},
    {"pragma_list", false, false},        {"compile_options", false, false},
    {"page_count", false, false},         {"page_size", false, false},
    {"freelist_count", false, false},     {"data_version", false, false},
    {"schema_version", false, false},     {"encoding", false, false},
    {"user_version", false, true},        {"application_id", false, true},
    {"auto_vacuum", false, false},        {"journal_mode", false, false},
    {"locking_mode", false, false},       {"synchronous", false, false},
    {"cache_size", false, false},         {"mmap_size", false, false},
    {"temp_store", false, false},         {"query_only", false, false},
    {"foreign_keys", false, false},       {"secure_delete", false, false},
    {"cell_size_check", false, false},    {"wal_autocheckpoint", false, false},
    {"journal_size_limit", false, false}, {"max_page_count", false, false},
};

/* Those that act even without a value. */
static const char *const job_actions[] = {"incremental_vacuum", "optimize", "defer_foreign_keys",
                                          "analysis_limit"};

static bool pragma_is_allowed(const char *name, const char *value, bool in_job)
{
    for (size_t i = 0; i < ARRAY_LEN(pragmas); i++)
        if (strcasecmp(name, pragmas[i].name) == 0)
            return !value || pragmas[i].with_value || (in_job && pragmas[i].job_may_set);
    for (size_t i = 0; in_job && i < ARRAY_LEN(job_actions); i++)
        if (strcasecmp(name, job_actions[i]) == 0)
            return true;
    return false;
}

static int verdict(bool allowed)
{
    return allowed ? SQLITE_OK : SQLITE_DENY;
}

int ow_guard_reader(void *ctx, int action, const char *a, const char *b, const char *schema,
                    const char *trigger)
{
    (void)schema;
    (void)trigger;
    struct ow_conn *conn = ctx;
    conn->guard_asked = true;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return verdict(strcasecmp(b, "load_extension") != 0);
    case SQLITE_PRAGMA:
        return verdict(pragma_is_allowed(a, b, false));
    case SQLITE_UPDATE:
        /* Asked when a table-valued function (json_each) declares its columns. A real UPDATE of the
         * schema fails all the same: DEFENSIVE, and the file is open for reading only. */
        return verdict(strcmp(a, "sqlite_master") == 0);
    default:
        return SQLITE_DENY;
    }
}

int ow_guard_writer(void *ctx, int action, const char *a, const char *b, const char *schema,
                    const char *trigger)
{
    (void)schema;
    (void)trigger;
    const struct ow_conn *conn = ctx;
    if (!conn->in_job)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return SQLITE_DENY;
    case SQLITE_SAVEPOINT:
        return verdict(strcasecmp(b, OW_JOB_SAVEPOINT) != 0);
    case SQLITE_FUNCTION:
        return verdict(strcasecmp(b, "load_extension") != 0);
    case SQLITE_PRAGMA:
        return verdict(pragma_is_allowed(a, b, true));
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_VIEW:
        return verdict(!ow_number_owns(a));
    case SQLITE_ALTER_TABLE:
        return verdict(!ow_number_owns(b));
    default:
        return SQLITE_OK;
    }
}
