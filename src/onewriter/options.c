/* Settings (options.h). One table holds the limits, so that a refusal names the field and its
 * range. A caller compiled against an older header gives a smaller struct: what it does not have
 * keeps its default. What must stay true: nothing outside the ranges reaches the rest of the
 * library. */
#include "onewriter/options.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "onewriter/fail.h"

/* What each profile decides; the balanced one is ow_options_init itself. */
void ow_options_profile(struct ow_options *options, enum ow_profile profile)
{
    switch (profile) {
    case OW_BALANCED:
        break;
    case OW_CONCURRENCY:
        options->thread_pool_size = 15;
        options->readers = 10;
        break;
    case OW_LATENCY:
        options->retry_base_delay_ms = 100;
        options->max_attempts = 5;
        options->wal_soft_frames = 250;
        options->group_max_ms = 5;
        break;
    case OW_SMALL:
        options->thread_pool_size = 5;
        options->readers = 2;
        options->busy_timeout_ms = 60000;
        options->cache_bytes = 8LL << 20;
        options->mmap_bytes = 0;
        options->journal_size_limit_bytes = 4LL << 20;
        for (int i = 0; i < OW_LANES; i++)
            options->lane[i].max_bytes = 1u << 20;
        break;
    }
}

bool ow_profile_parse(const char *name, enum ow_profile *out)
{
    static const char *const names[] = {"balanced", "concurrency", "latency", "small"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum ow_profile)i;
            return true;
        }
    return false;
}

void ow_options_init(struct ow_options *options, const char *path)
{
    bool fixed = ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number());
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
        .mmap_bytes = fixed ? 32LL << 20 : 0,
        .group_max_jobs = 1024,
        .group_max_ms = 20,
        .wal_soft_frames = 1000,
        .wal_hard_frames = 3600,
        .journal_size_limit_bytes = 64LL << 20,
        .thread_pool_size = 10,
        .attempt_timeout_ms = 2000,
        .retry_budget = 10,
        .statement_cache = 128,
        .snapshot_warn_ms = 1000,
        .snapshot_max_ms = 30000,
        .gate_ms = 50,
        .start_check_ms = 2000,
    };
    for (int i = 0; i < OW_LANES; i++)
        options->lane[i] = (struct ow_lane_limit){4096, 4u << 20, OW_BLOCK};
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
        {"thread_pool_size", o->thread_pool_size, 1, 1000},
        {"attempt_timeout_ms", o->attempt_timeout_ms, 0, 3600000},
        {"retry_budget", o->retry_budget, 1, 1000000},
        {"statement_cache", o->statement_cache, 1, 100000},
        {"snapshot_warn_ms", o->snapshot_warn_ms, 1, 86400000},
        {"snapshot_max_ms", o->snapshot_max_ms, 0, 86400000},
        {"gate_ms", o->gate_ms, 0, 60000},
        {"start_check_ms", o->start_check_ms, 0, 86400000},
        {"wal_soft_frames", o->wal_soft_frames, 1, 1 << 24},
        {"wal_hard_frames", o->wal_hard_frames, o->wal_soft_frames, 1 << 26},
        {"journal_size_limit_bytes", o->journal_size_limit_bytes, 0, 1LL << 50},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (fields[i].value < fields[i].min || fields[i].value > fields[i].max)
            return ow_fail(err, OW_CONFIG, "%s is %lld, must be %lld to %lld", fields[i].name,
                           (long long)fields[i].value, (long long)fields[i].min,
                           (long long)fields[i].max);
    for (int i = 0; i < OW_LANES; i++) {
        const struct ow_lane_limit *lane = &o->lane[i];
        if (!lane->max_jobs || !lane->max_bytes || (unsigned)lane->policy > OW_DROP_OLDEST)
            return ow_fail(err, OW_CONFIG,
                           "lane[%d] needs max_jobs and max_bytes above 0 and one of the policies",
                           i);
    }
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
    if (out->checkpoint_thread && !ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number()))
        return ow_fail(err, OW_CONFIG,
                       "checkpoint_thread needs a SQLite with the WAL-reset fix (3.51.3, 3.50.7 or "
                       "3.44.6); this is %s: set it to false",
                       sqlite3_libversion());
    if (out->mmap_bytes && !ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number()))
        return ow_fail(err, OW_CONFIG,
                       "mmap_bytes needs a SQLite with the WAL-reset fix (3.51.3, 3.50.7 or "
                       "3.44.6); this is %s: set it to 0",
                       sqlite3_libversion());
    return 0;
}
