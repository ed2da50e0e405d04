/* The metrics as Prometheus text: judged by promtool, and by hand where it does not look. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "onewriter/prometheus.h"
#include "ow_support.h"

#define TEXT_BYTES (1 << 20)

/* Figures of every kind, each set with more than one series. */
static void fill(struct ow_metrics *metrics)
{
    *metrics = (struct ow_metrics){.jobs_submitted = 12, .commit_seq = 7, .poisoned = true};
    metrics->retries_by_code[0] = (struct ow_retry_metrics){SQLITE_BUSY, 3};
    metrics->retries_by_code[1] = (struct ow_retry_metrics){SQLITE_FULL, 4};
    metrics->retries_by_code[2] = (struct ow_retry_metrics){250, 5};
    metrics->retries_by_code[3] = (struct ow_retry_metrics){251, 6};
    metrics->lane[OW_LANE_BULK].oldest_us = 1500000;
    metrics->lane[OW_LANE_URGENT].dropped = 9;
    metrics->commit = (struct ow_histogram){.count = 4, .sum_us = 2000003, .max_us = 1999999};
    metrics->commit.bucket[1] = 3; /* below 2 us */
    metrics->commit.bucket[21] = 1;
    metrics->group_jobs = (struct ow_histogram){.count = 2, .sum_us = 5};
    metrics->group_jobs.bucket[1] = 1; /* one job */
    metrics->group_jobs.bucket[3] = 1; /* four */
    metrics->label[0].label = "list \"nodes\"\n\\";
    metrics->label[0].wait.bucket[OW_BUCKETS - 1] = 2;
    metrics->label[1].label = "(other)";
}

static void assert_has(const char *text, const char *line)
{
    char whole[300];
    snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (!strstr(text, whole))
        fail_msg("missing: %s", line);
}

static char *write_text(const struct ow_metrics *metrics, const char *labels)
{
    char *text = malloc(TEXT_BYTES);
    assert_non_null(text);
    size_t length = ow_prometheus_write(metrics, labels, text, TEXT_BYTES);
    assert_true(length < TEXT_BYTES);
    assert_int_equal(strlen(text), length);
    return text;
}

static void shows_every_figure_in_base_units(void **state)
{
    (void)state;
    struct ow_metrics metrics;
    fill(&metrics);
    CLEANUP(free_ptr) char *text = write_text(&metrics, NULL);
    assert_has(text, "# TYPE ow_jobs_submitted_total counter");
    assert_has(text, "ow_jobs_submitted_total 12");
    assert_has(text, "ow_commit_seq 7");
    assert_has(text, "ow_poisoned 1");
    assert_has(text, "ow_holding 0");
    assert_has(text, "ow_lane_oldest_seconds{lane=\"bulk\"} 1.500000");
    assert_has(text, "ow_lane_dropped_total{lane=\"urgent\"} 9");
    assert_has(text, "ow_retries_by_code_total{code=\"SQLITE_BUSY\"} 3");
    assert_has(text, "ow_retries_by_code_total{code=\"250\"} 5");
    assert_has(text, "ow_retries_by_code_total{code=\"251\"} 6");
    assert_has(text, "# TYPE ow_commit_seconds histogram");
    assert_has(text, "ow_commit_seconds_bucket{le=\"0.000001\"} 0");
    assert_has(text, "ow_commit_seconds_bucket{le=\"0.000002\"} 3");
    assert_has(text, "ow_commit_seconds_bucket{le=\"1.048576\"} 3");
    assert_has(text, "ow_commit_seconds_bucket{le=\"2.097152\"} 4");
    assert_has(text, "ow_commit_seconds_bucket{le=\"+Inf\"} 4");
    assert_has(text, "ow_commit_seconds_sum 2.000003");
    assert_has(text, "ow_commit_seconds_count 4");
    assert_has(text, "ow_group_jobs_bucket{le=\"0\"} 0");
    assert_has(text, "ow_group_jobs_bucket{le=\"1\"} 1");
    assert_has(text, "ow_group_jobs_bucket{le=\"7\"} 2");
    assert_has(text, "ow_group_jobs_sum 5");
    assert_has(text, "ow_reader_wait_seconds_bucket{label=\"(other)\",le=\"+Inf\"} 0");
    assert_has(text, "ow_reader_wait_seconds_count{label=\"list \\\"nodes\\\"\\n\\\\\"} 2");
}

static void puts_the_callers_labels_into_every_series(void **state)
{
    (void)state;
    struct ow_metrics metrics;
    fill(&metrics);
    CLEANUP(free_ptr) char *text = write_text(&metrics, "db=\"history\"");
    assert_has(text, "ow_jobs_submitted_total{db=\"history\"} 12");
    assert_has(text, "ow_lane_dropped_total{db=\"history\",lane=\"urgent\"} 9");
    assert_has(text, "ow_commit_seconds_bucket{db=\"history\",le=\"+Inf\"} 4");
    assert_has(text, "ow_reader_hold_seconds_sum{db=\"history\",label=\"(other)\"} 0.000000");
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        assert_true(line[0] == '#' || strstr(line, "{db=\"history\""));
}

static void cuts_what_does_not_fit_and_tells_the_whole_length(void **state)
{
    (void)state;
    struct ow_metrics metrics;
    fill(&metrics);
    CLEANUP(free_ptr) char *whole = write_text(&metrics, NULL);
    size_t length = strlen(whole);
    assert_int_equal(ow_prometheus_write(&metrics, NULL, NULL, 0), length);
    const size_t sizes[] = {1, 2, 100, 5000, length, length + 1};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(free_ptr) char *text = malloc(sizes[i] + 1);
        text[sizes[i]] = '#';
        assert_int_equal(ow_prometheus_write(&metrics, NULL, text, sizes[i]), length);
        assert_int_equal(text[sizes[i]], '#');
        assert_int_equal(strlen(text), sizes[i] - 1);
        assert_int_equal(strncmp(text, whole, sizes[i] - 1), 0);
    }
}

static void describes_each_metric_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ow_metric_count; i++) {
        const struct ow_metric *metric = &ow_metric_table[i];
        const char *end = metric->name + strlen(metric->name);
        bool total = strlen(metric->name) > 6 && strcmp(end - 6, "_total") == 0;
        assert_int_equal(total, metric->type == OW_COUNTER);
        assert_int_equal(strncmp(metric->name, "ow_", 3), 0);
        assert_int_equal(metric->help[strlen(metric->help) - 1], '.');
        assert_true(metric->offset < sizeof(struct ow_metrics));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(metric->name, ow_metric_table[j].name);
            assert_true(metric->offset != ow_metric_table[j].offset);
        }
    }
}

/* promtool's verdict: 0, or its exit status; -1 when there is none on this machine. */
static int judge(const char *text, char *words, size_t size)
{
    int in[2], out[2], status;
    assert_int_equal(pipe(in) | pipe(out), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(out[1], 2);
        close(in[1]);
        execlp("promtool", "promtool", "check", "metrics", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    /* It reads to the end before it says anything. */
    for (size_t left = strlen(text); left;) {
        ssize_t n = write(in[1], text, left);
        if (n <= 0)
            break;
        text += n;
        left -= (size_t)n;
    }
    close(in[1]);
    size_t length = 0;
    for (ssize_t n; (n = read(out[0], words + length, size - 1 - length)) > 0;)
        length += (size_t)n;
    words[length] = '\0';
    close(out[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -1 : status;
}

static void passes_promtool(void **state)
{
    (void)state;
    struct ow_metrics metrics;
    char words[4000];
    const char *const labels[] = {NULL, "db=\"history\",host=\"a\""};
    fill(&metrics);
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        CLEANUP(free_ptr) char *text = write_text(&metrics, labels[i]);
        int verdict = judge(text, words, sizeof(words));
        if (verdict == -1)
            skip();
        if (verdict)
            fail_msg("%s", words);
    }
}

static void shows_the_figures_of_a_database(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    CLEANUP(free_ptr) char *text = malloc(TEXT_BYTES);
    struct ow *db = open_items(dir, NULL);
    write_item(db, 1);
    size_t length = ow_metrics_text(db, NULL, text, TEXT_BYTES);
    assert_int_equal(strlen(text), length);
    assert_has(text, "ow_jobs_committed_total 2");
    assert_has(text, "ow_commit_seq 2");
    assert_has(text, "ow_readers 5");
    close_items(db);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_every_figure_in_base_units),
        cmocka_unit_test(puts_the_callers_labels_into_every_series),
        cmocka_unit_test(cuts_what_does_not_fit_and_tells_the_whole_length),
        cmocka_unit_test(describes_each_metric_once),
        cmocka_unit_test(passes_promtool),
        cmocka_unit_test(shows_the_figures_of_a_database),
    };
    return cmocka_run_group_tests_name("Prometheus text", tests, NULL, NULL);
}
