/* Who holds, pins or waits (onewriter.h): what an operator asks when something stands still. Each
 * part is copied under its own lock and told without any, so the callback may take its time, and
 * the whole is not of one instant. What must stay true: nothing that only the owner of a connection
 * may touch is read here. */
#include <stdlib.h>

#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/loan.h"

/* Room for those who come between two looks. */
#define SPARE 16

struct listener {
    void (*fn)(void *ctx, const struct ow_who *who);
    void *ctx;
};

static void tell(const struct listener *listener, const struct ow_who *who)
{
    listener->fn(listener->ctx, who);
}

static void tell_writer(struct ow *db, const struct listener *listener)
{
    int64_t since_us = atomic_load(&db->writer.busy_since_us);
    if (!since_us)
        return;
    struct ow_who who = {.kind = OW_WHO_WRITES, .label = ""};
    who.lane = (enum ow_lane)atomic_load(&db->writer.busy_lane);
    who.age_us = clock_monotonic_us() - since_us;
    ow_conn_copy_sql(&db->writer.conn, who.sql, sizeof(who.sql));
    tell(listener, &who);
}

/* What the connection tells of a holder. A loan that has ended since it was listed would be told
 * with the next borrower's statement and snapshot. */
static bool look_closer(struct ow_conn *conn, struct ow_who *who)
{
    int64_t age_us = ow_pin_age_us(&conn->pin);
    if (age_us >= 0) {
        who->kind = OW_WHO_PINS;
        who->age_us = age_us;
    }
    ow_conn_copy_sql(conn, who->sql, sizeof(who->sql));
    return atomic_load(&conn->loan) == who->loan;
}

/* Those who hold or want a reader. Without memory, nobody. */
static void tell_readers(struct ow *db, const struct listener *listener)
{
    struct ow_pool_entry *entries = NULL;
    int room = 0, count = ow_pool_list(&db->pool, NULL, 0);
    while (count > room) {
        room = count + SPARE;
        free(entries);
        entries = malloc((size_t)room * sizeof(*entries));
        if (!entries)
            return;
        count = ow_pool_list(&db->pool, entries, room);
    }
    for (int i = 0; i < count; i++)
        if (!entries[i].conn || look_closer(entries[i].conn, &entries[i].who))
            tell(listener, &entries[i].who);
    free(entries);
}

static void tell_waiters(struct ow *db, const struct listener *listener)
{
    struct ow_who *waiters = NULL;
    int room = 0, count = ow_lanes_list(&db->lanes, NULL, 0);
    while (count > room) {
        room = count + SPARE;
        free(waiters);
        waiters = malloc((size_t)room * sizeof(*waiters));
        if (!waiters)
            return;
        count = ow_lanes_list(&db->lanes, waiters, room);
    }
    for (int i = 0; i < count; i++)
        tell(listener, &waiters[i]);
    free(waiters);
}

void ow_who(struct ow *db, void (*fn)(void *ctx, const struct ow_who *who), void *ctx)
{
    struct listener listener = {fn, ctx};
    if (ow_enter(db, OW_WHILE_CLOSING, NULL))
        return;
    tell_writer(db, &listener);
    tell_readers(db, &listener);
    tell_waiters(db, &listener);
    ow_leave(db);
}
