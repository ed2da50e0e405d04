/* What the tail's test programs share: a folder, a fake sink, a tail on node.log, and its remarks.
 */
#ifndef TESTS_INGEST_FIXTURE_H
#define TESTS_INGEST_FIXTURE_H

#include "fake_sink.h"
#include "ingest/tail.h"

#define FIXTURE_REMARKS 64

struct fixture {
    struct fake_sink sink;
    struct tail *tail;
    char *dir;
    char log[256], first[256], second[256]; /* node.log, node.log.1, node.log.2 */
    struct mutex lock;
    struct cond told;
    char remarks[FIXTURE_REMARKS][512];
    size_t remark_count;
};

int fixture_set_up(void **state);
int fixture_tear_down(void **state);
/* Follows x->log as node 7. */
void fixture_start(struct fixture *x);
void fixture_stop(struct fixture *x);
/* Waits for a remark that holds the text; asserts that it comes. Returns how many hold it by now.
 */
size_t fixture_wait_remark(struct fixture *x, const char *text);

#define SENTENCE(fn) cmocka_unit_test_setup_teardown(fn, fixture_set_up, fixture_tear_down)

#endif
