/* libzdb, a connection pool for C (ways.h), as its manual uses it: a connection from the pool, a
 * transaction, a prepared statement, back to the pool. The pool keeps a connection for each thread.
 * Its default of 3 s for a lock is raised to the 30 s that the other ways have. What must stay
 * true: the library works with the same SQLite as everybody else in this process; a second copy
 * would drop the first one's file locks. */
#include <stdio.h>
#include <stdlib.h>
#include <zdb.h>

#include "plain.h"
#include "report.h"

struct shared {
    struct target target;
    URL_T url;
    ConnectionPool_T pool;
};

/* Of libzdb, once it was opened. */
static char version[64];

static const char *sqlite_of_zdb(void)
{
    return version;
}

static void ask_version(struct shared *shared)
{
    Connection_T conn = ConnectionPool_getConnection(shared->pool);
    if (!conn)
        die("libzdb opens no connection");
    TRY
    {
        ResultSet_T rows = Connection_executeQuery(conn, "SELECT sqlite_version()");
        if (ResultSet_next(rows))
            snprintf(version, sizeof(version), "%s", ResultSet_getString(rows, 1));
    }
    ELSE
    {
        die("libzdb: %s", Exception_frame.message);
    }
    END_TRY;
    Connection_close(conn);
}

static void *open_zdb(const struct target *target)
{
    char url[4400];
    struct shared *shared = calloc(1, sizeof(*shared));
    if (!shared)
        die("no memory");
    shared->target = *target;
    plain_create(target);
    snprintf(url, sizeof(url),
             "sqlite://%s?journal_mode=wal&synchronous=%s&temp_store=memory&cache_size=-32000",
             target->path, target->full ? "full" : "normal");
    shared->url = URL_new(url);
    if (!shared->url)
        die("libzdb does not take the address %s", url);
    shared->pool = ConnectionPool_new(shared->url);
    ConnectionPool_setInitialConnections(shared->pool, 1);
    ConnectionPool_setMaxConnections(shared->pool, target->threads + 1);
    TRY
    {
        ConnectionPool_start(shared->pool);
    }
    ELSE
    {
        die("libzdb: %s", Exception_frame.message);
    }
    END_TRY;
    ask_version(shared);
    return shared;
}

static void *join_zdb(void *shared)
{
    (void)shared;
    return NULL;
}

static void set_values(PreparedStatement_T stmt, const struct row *row)
{
    for (int i = 0; i < row->count; i++) {
        const struct ow_value *value = &row->values[i];
        if (value->type == OW_INT)
            PreparedStatement_setLLong(stmt, i + 1, value->as.i);
        else if (value->type == OW_REAL)
            PreparedStatement_setDouble(stmt, i + 1, value->as.real);
        else if (value->type == OW_BLOB)
            PreparedStatement_setBlob(stmt, i + 1, value->as.data, (int)value->bytes);
        else
            PreparedStatement_setString(stmt, i + 1, value->as.data);
    }
}

static int write_on(Connection_T conn, const char *sql, const struct row *row, char *why)
{
    volatile int rc = 0;
    TRY
    {
        Connection_setQueryTimeout(conn, BUSY_MS);
        Connection_beginTransaction(conn);
        PreparedStatement_T stmt = Connection_prepareStatement(conn, "%s", sql);
        set_values(stmt, row);
        PreparedStatement_execute(stmt);
        Connection_commit(conn);
    }
    ELSE
    {
        snprintf(why, WHY_BYTES, "libzdb: %.180s", Exception_frame.message);
        rc = SQLITE_ERROR;
    }
    END_TRY;
    return rc;
}

static int write_zdb(void *arg, void *own, const struct row *row, char *why)
{
    struct shared *shared = arg;
    (void)own;
    Connection_T conn = ConnectionPool_getConnection(shared->pool);
    if (!conn) {
        snprintf(why, WHY_BYTES, "libzdb has no connection");
        return SQLITE_CANTOPEN;
    }
    int rc = write_on(conn, shared->target.table->insert, row, why);
    Connection_close(conn); /* rolls back what is left */
    return rc;
}

static void leave_zdb(void *shared, void *own)
{
    (void)shared;
    (void)own;
}

static void close_zdb(void *arg)
{
    struct shared *shared = arg;
    ConnectionPool_stop(shared->pool);
    ConnectionPool_free(&shared->pool);
    URL_free(&shared->url);
    free(shared);
}

const struct way way_zdb = {"zdb",     "libzdb",  open_zdb,  join_zdb,
                            write_zdb, leave_zdb, close_zdb, sqlite_of_zdb};
