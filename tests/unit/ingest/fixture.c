/* The fixture of the tail's tests (fixture.h). */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define PATIENCE_US 30000000

int fixture_set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));
    fake_init(&x->sink);
    mutex_init(&x->lock);
    cond_init(&x->told);
    x->dir = test_dir_make();
    snprintf(x->log, sizeof(x->log), "%s/node.log", x->dir);
    snprintf(x->first, sizeof(x->first), "%s/node.log.1", x->dir);
    snprintf(x->second, sizeof(x->second), "%s/node.log.2", x->dir);
    *state = x;
    return 0;
}

static void note_remark(void *ctx, int64_t node_id, char level, const char *text)
{
    struct fixture *x = ctx;
    LOCK(&x->lock);
    if (x->remark_count < FIXTURE_REMARKS)
        snprintf(x->remarks[x->remark_count++], sizeof(x->remarks[0]), "%d %c %s", (int)node_id,
                 level, text);
    cond_broadcast(&x->told);
}

void fixture_start(struct fixture *x)
{
    struct err err = {0};
    struct tail_node node = {7, "one", x->log};
    struct tail_observer observer = {.ctx = x, .remark = note_remark};
    assert_int_equal(tail_start(&x->sink.sink, &observer, &node, 1, &x->tail, &err), 0);
}

void fixture_stop(struct fixture *x)
{
    struct err err = {0};
    assert_int_equal(tail_stop(x->tail, 20000, &err), 0);
    x->tail = NULL;
}

int fixture_tear_down(void **state)
{
    struct fixture *x = *state;
    if (x->tail)
        fixture_stop(x);
    test_dir_cleanup(&x->dir);
    fake_fini(&x->sink);
    cond_fini(&x->told);
    mutex_fini(&x->lock);
    free(x);
    return 0;
}

static size_t count_remarks(const struct fixture *x, const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i < x->remark_count; i++)
        count += strstr(x->remarks[i], text) != NULL;
    return count;
}

size_t fixture_wait_remark(struct fixture *x, const char *text)
{
    int64_t until_us = clock_monotonic_us() + PATIENCE_US;
    mutex_lock(&x->lock);
    bool in_time = true;
    while (count_remarks(x, text) == 0 && in_time)
        in_time = cond_wait_until(&x->told, &x->lock, until_us);
    size_t count = count_remarks(x, text);
    mutex_unlock(&x->lock);
    assert_true(count > 0);
    return count;
}
