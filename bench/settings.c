/* Options (settings.h). Defaults are strings parsed by the same code as the command line, so they
 * read in the help as they would be typed. What must stay true: no argument is ignored. */
#include "settings.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const char usage[] =
    "options:\n"
    "  --full             everything, long; without it, a quick look\n"
    "  --ms N             milliseconds of one measurement\n"
    "  --rounds N         measure each way N times, in turn, and add up\n"
    "  --threads LIST     such as 1,8,64\n"
    "  --sync LIST        normal,full\n"
    "  --tables LIST      lean1,peer,lean0,peer0\n"
    "  --ways LIST        see below\n"
    "  --pool N           readers of onewriter (default: its own default)\n"
    "  --sleep N          slow: milliseconds added to an fsync\n"
    "  --hold N           wal: milliseconds the reader sleeps\n"
    "  --folder DIR       where the temporary folder is made (default: $TMPDIR or /tmp)\n"
    "  --json FILE        append one JSON object per measurement\n"
    "  --help\n"
    "ways of writing:\n";

void settings_usage(FILE *file)
{
    fputs(usage, file);
    for (unsigned i = 0; i < ways_count; i++)
        fprintf(file, "  %-10s %s\n", ways[i]->key, ways[i]->name);
}

static void print_usage(const struct command *command, FILE *file)
{
    fprintf(file, "usage: bench-onewriter %s [options]\n%s\n", command->name, command->help);
    fprintf(file, "default:     %s\nwith --full: %s\n", command->quick, command->all);
    settings_usage(file);
}

static __attribute__((noreturn)) void refuse(const struct command *command, const char *option,
                                             const char *value)
{
    fprintf(stderr, "bench-onewriter: --%s does not take '%s'\n", option, value);
    print_usage(command, stderr);
    exit(2);
}

static bool parse_number(const char *text, int min, int max, int *out)
{
    char *end;
    long value = strtol(text, &end, 10);
    *out = (int)value;
    return *text && !*end && value >= min && value <= max;
}

/* Each takes one word of a list into its place; false when it is unknown. */

static bool take_threads(struct settings *s, int at, const char *word)
{
    s->threads_count = at + 1;
    return parse_number(word, 1, THREADS_MAX, &s->threads[at]);
}

static bool take_sync(struct settings *s, int at, const char *word)
{
    if (at > 1)
        return false;
    s->sync_count = at + 1;
    s->sync_full[at] = strcmp(word, "full") == 0;
    return s->sync_full[at] || strcmp(word, "normal") == 0;
}

static bool take_table(struct settings *s, int at, const char *word)
{
    s->tables_count = at + 1;
    for (unsigned i = 0; i < tables_count; i++)
        if (strcmp(word, tables[i].name) == 0) {
            s->table[at] = &tables[i];
            return true;
        }
    return false;
}

static bool take_way(struct settings *s, int at, const char *word)
{
    s->way[at] = way_named(word);
    s->ways_count = at + 1;
    return s->way[at] != NULL;
}

static bool take_all_ways(struct settings *s)
{
    s->ways_count = (int)ways_count;
    for (unsigned i = 0; i < ways_count; i++)
        s->way[i] = ways[i];
    return true;
}

static bool parse_list(struct settings *s, const char *text,
                       bool (*take)(struct settings *s, int at, const char *word))
{
    char word[32];
    for (int at = 0; at < LIST_MAX; at++) {
        size_t length = strcspn(text, ",");
        if (!length || length >= sizeof(word))
            return false;
        memcpy(word, text, length);
        word[length] = '\0';
        if (!take(s, at, word))
            return false;
        text += length;
        if (!*text++)
            return true;
    }
    return false;
}

static bool apply(struct settings *s, const char *name, const char *value)
{
    static const struct {
        const char *name;
        bool (*take)(struct settings *s, int at, const char *word);
    } lists[] = {
        {"threads", take_threads}, {"sync", take_sync}, {"tables", take_table}, {"ways", take_way}};
    const struct {
        const char *name;
        int *into, min, max;
    } numbers[] = {{"ms", &s->ms, 10, 3600000},
                   {"rounds", &s->rounds, 1, 1000},
                   {"pool", &s->pool, 1, 1000},
                   {"sleep", &s->sleep_ms, 0, 10000},
                   {"hold", &s->hold_ms, 10, 600000}};
    if (strcmp(name, "ways") == 0 && strcmp(value, "all") == 0)
        return take_all_ways(s);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (strcmp(name, lists[i].name) == 0)
            return parse_list(s, value, lists[i].take);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (strcmp(name, numbers[i].name) == 0)
            return parse_number(value, numbers[i].min, numbers[i].max, numbers[i].into);
    if (strcmp(name, "folder") == 0)
        s->folder = value;
    else
        s->json = value;
    return true;
}

/* "--ms 300 --threads 1,8" of a command's defaults. */
static void apply_defaults(const struct command *command, struct settings *s, const char *text)
{
    char name[16], value[128];
    int used;
    while (sscanf(text, " --%15s %127s%n", name, value, &used) == 2) {
        if (!apply(s, name, value))
            refuse(command, name, value);
        text += used;
    }
}

void settings_parse(const struct command *command, int argc, char **argv, struct settings *out)
{
    static const struct option names[] = {
        {"full", 0, NULL, 'f'},   {"help", 0, NULL, 'h'},    {"ms", 1, NULL, 'o'},
        {"rounds", 1, NULL, 'o'}, {"threads", 1, NULL, 'o'}, {"sync", 1, NULL, 'o'},
        {"tables", 1, NULL, 'o'}, {"ways", 1, NULL, 'o'},    {"pool", 1, NULL, 'o'},
        {"sleep", 1, NULL, 'o'},  {"hold", 1, NULL, 'o'},    {"folder", 1, NULL, 'o'},
        {"json", 1, NULL, 'o'},   {NULL, 0, NULL, 0}};
    *out = (struct settings){.rounds = 1, .ms = 300, .argc = argc, .argv = argv};
    for (int i = 1; i < argc; i++)
        out->full |= strcmp(argv[i], "--full") == 0;
    apply_defaults(command, out, out->full ? command->all : command->quick);
    int index, which;
    while ((which = getopt_long(argc, argv, "", names, &index)) != -1) {
        if (which == 'h') {
            print_usage(command, stdout);
            exit(0);
        }
        if (which == '?' || (which == 'o' && !apply(out, names[index].name, optarg))) {
            if (which == 'o')
                refuse(command, names[index].name, optarg);
            print_usage(command, stderr);
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "bench-onewriter: unknown argument '%s'\n", argv[optind]);
        print_usage(command, stderr);
        exit(2);
    }
}
