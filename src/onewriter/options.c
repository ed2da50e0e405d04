/* Settings (options.h). One table holds the limits, so that a refusal names the field and its
 * range. A caller compiled against an older header gives a smaller struct: what it does not have
 * keeps its default. What must stay true: nothing outside the ranges reaches the rest of the
 * library. */
#include "onewriter/options.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "onewriter/fail.h"

void ow_options_init(struct ow_options *options, const char *path)
{
    *options = (struct ow_options){
        .struct_size = sizeof(*options),
        .path = path,
        .create = true,
        .busy_timeout_ms = 30000,
        .max_attempts = 3,
        .retry_base_delay_ms = 500,
        .retry_max_delay_ms = 5000,
        .readers = 5,
        .cache_bytes = 64LL << 20,
        .group_max_jobs = 1024,
        .group_max_ms = 50,
        .lane_max_jobs = 1024,
        .wal_soft_frames = 1000,
        .wal_hard_frames = 16384,
        .journal_size_limit_bytes = 64LL << 20,
    };
}

static int check_ranges(const struct ow_options *o, struct ow_err *err)
{
    const struct {
        const char *name;
        int64_t value, min, max;
    } fields[] = {
        {"busy_timeout_ms", o->busy_timeout_ms, 0, 3600000},
        {"max_attempts", o->max_attempts, 1, 1000},
        {"retry_base_delay_ms", o->retry_base_delay_ms, 1, 600000},
        {"retry_max_delay_ms", o->retry_max_delay_ms, o->retry_base_delay_ms, 600000},
        {"readers", o->readers, 1, 1000},
        {"cache_bytes", o->cache_bytes, 0, 1LL << 40},
        {"mmap_bytes", o->mmap_bytes, 0, 1LL << 40},
        {"group_max_jobs", o->group_max_jobs, 1, 1000000},
        {"group_max_ms", o->group_max_ms, 0, 60000},
        {"lane_max_jobs", o->lane_max_jobs, 1, 10000000},
        {"wal_soft_frames", o->wal_soft_frames, 1, 1 << 24},
        {"wal_hard_frames", o->wal_hard_frames, o->wal_soft_frames, 1 << 26},
        {"journal_size_limit_bytes", o->journal_size_limit_bytes, 0, 1LL << 50},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (fields[i].value < fields[i].min || fields[i].value > fields[i].max)
            return ow_fail(err, OW_CONFIG, "%s is %lld, must be %lld to %lld", fields[i].name,
                           (long long)fields[i].value, (long long)fields[i].min,
                           (long long)fields[i].max);
    int page = o->page_size;
    if (page && (page < 512 || page > 65536 || (page & (page - 1))))
        return ow_fail(err, OW_CONFIG, "page_size is %d, must be a power of two from 512 to 65536",
                       page);
    return 0;
}

int ow_options_take(const struct ow_options *given, struct ow_options *out, struct ow_err *err)
{
    ow_options_init(out, NULL);
    if (given->struct_size < offsetof(struct ow_options, create) ||
        given->struct_size > sizeof(*out))
        return ow_fail(err, OW_CONFIG,
                       "struct ow_options was not prepared by ow_options_init, or the program was "
                       "built for a newer onewriter");
    memcpy(out, given, given->struct_size);
    out->struct_size = sizeof(*out);
    int rc = check_ranges(out, err);
    if (rc)
        return rc;
    if (out->mmap_bytes && !ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number()))
        return ow_fail(err, OW_CONFIG,
                       "mmap_bytes needs a SQLite with the WAL-reset fix (3.51.3, 3.50.7 or "
                       "3.44.6); this is %s: set it to 0",
                       sqlite3_libversion());
    return 0;
}
