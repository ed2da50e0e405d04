/* Shared by the tests of the settings (loading.h). */
#include "loading.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define ARGS_MAX 16

const struct ranked ranked[RANKED_COUNT] = {
    {"nodes", "--node", "a=1", "b=2", "c=3", ""},
    {"db.path", "--db", "f.db", "e.db", "c.db", "nodewatch.db"},
    {"db.profile", NULL, "small", "latency", NULL, "balanced"},
    {"db.thread_pool_size", NULL, "17", "18", NULL, "10"},
    {"db.connection_pool_size", NULL, "7", "8", NULL, "5"},
    {"db.connection_timeout", NULL, "1.5", "0.25", NULL, "30"},
    {"db.max_retries", NULL, "9", "10", NULL, "3"},
    {"db.retry_base_delay", NULL, "1", "2", NULL, "0.5"},
    {"db.retry_max_delay", NULL, "60", "70", NULL, "5"},
    {"db.synchronous", NULL, "full", "normal", NULL, "normal"},
    {"web.listen", "--listen", "[::1]:1", "[::1]:2", "[::1]:3", "127.0.0.1:8765"},
    {"web.allowed_hosts", "--allow-host", "f.test", "e.test", "c.test", ""},
    {"log.level", "--log-level", "error", "warning", "debug", "info"},
};

void variable_of(const char *key, char out[64])
{
    int n = snprintf(out, 64, "NODEWATCH_%s", key);
    for (int i = 0; i < n; i++)
        out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

static void unset_variable(void *ctx, const char *key, const char *value, const char *help)
{
    (void)ctx;
    (void)value;
    (void)help;
    char name[64];
    variable_of(key, name);
    unsetenv(name);
}

int forget_environment(void **state)
{
    (void)state;
    config_each_setting(unset_variable, NULL);
    return 0;
}

int load(struct config *c, enum command command, const char *flags, struct err *err)
{
    static char words[1024], program[] = "nodewatch", subcommand[] = "command";
    char *argv[ARGS_MAX] = {program, subcommand}, *save = NULL;
    int argc = 2;
    snprintf(words, sizeof(words), "%s", flags);
    for (char *word = strtok_r(words, "|", &save); word; word = strtok_r(NULL, "|", &save)) {
        assert_true(argc < ARGS_MAX);
        argv[argc++] = word;
    }
    config_init(c);
    return config_load(c, command, argc, argv, 2, err);
}

void assert_refused(enum command command, const char *flags, const char *text)
{
    struct config c;
    struct err err;
    assert_int_equal(load(&c, command, flags, &err), ERR_USAGE);
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.text, text);
    config_fini(&c);
}

const char *value_of(const struct config *c, const char *key, char out[64])
{
    const struct {
        const char *key;
        int ms; /* -1: none */
    } times[] = {
        {"db.connection_timeout", c->db_connection_timeout_ms},
        {"db.retry_base_delay", c->db_retry_base_delay_ms},
        {"db.retry_max_delay", c->db_retry_max_delay_ms},
    };
    static const char *const profiles[] = {"balanced", "concurrency", "latency", "small"};
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        if (strcmp(key, times[i].key) == 0)
            snprintf(out, 64, "%g", times[i].ms / 1e3);
    }
    if (strcmp(key, "db.path") == 0)
        snprintf(out, 64, "%s", c->db_path);
    else if (strcmp(key, "db.profile") == 0)
        snprintf(out, 64, "%s", profiles[c->db_profile]);
    else if (strcmp(key, "db.thread_pool_size") == 0)
        snprintf(out, 64, "%d", c->db_thread_pool_size);
    else if (strcmp(key, "db.connection_pool_size") == 0)
        snprintf(out, 64, "%d", c->db_connection_pool_size);
    else if (strcmp(key, "db.max_retries") == 0)
        snprintf(out, 64, "%d", c->db_max_retries);
    else if (strcmp(key, "db.synchronous") == 0)
        snprintf(out, 64, "%s", c->db_synchronous_full ? "full" : "normal");
    else if (strcmp(key, "web.listen") == 0)
        snprintf(out, 64, "%s", c->web_listen);
    else if (strcmp(key, "web.allowed_hosts") == 0)
        snprintf(out, 64, "%s", c->web_allowed_hosts);
    else if (strcmp(key, "log.level") == 0)
        snprintf(out, 64, "%s", levels[c->log_level]);
    else if (strcmp(key, "nodes") == 0 && c->node_count)
        snprintf(out, 64, "%s=%s", c->nodes[0].name, c->nodes[0].log);
    else if (strcmp(key, "nodes") == 0)
        out[0] = '\0';
    return out;
}

void assert_value(const char *flags, const char *key, const char *wanted)
{
    struct config c;
    struct err err;
    char value[64];
    if (load(&c, COMMAND_RUN, flags, &err))
        fail_msg("%s: %s", key, err.text);
    assert_string_equal(value_of(&c, key, value), wanted);
    assert_true(c.node_count <= 1);
    config_fini(&c);
}
