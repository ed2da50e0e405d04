/* Shared helpers of the tests (support.h). */
#include "support.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *test_dir_make(void)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;
    assert_true(asprintf(&path, "%s/nodewatch-test-XXXXXX", base && *base ? base : "/tmp") > 0);
    assert_non_null(mkdtemp(path));
    return path;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type == FTW_D || type == FTW_DP)
        chmod(path, 0700);
    return remove(path);
}

void test_dir_remove(char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void test_dir_cleanup(char **path)
{
    if (!*path)
        return;
    test_dir_remove(*path);
    free(*path);
    *path = NULL;
}

const char *test_path(const char *dir, const char *name)
{
    static char slots[8][4096];
    static unsigned next;
    char *slot = slots[next++ % 8];
    int n = snprintf(slot, sizeof(slots[0]), "%s/%s", dir, name);
    assert_true(n > 0 && (size_t)n < sizeof(slots[0]));
    return slot;
}

char *test_file_read(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    char *text = malloc((size_t)st.st_size + 1);
    assert_non_null(text);
    size_t got = 0;
    while (got < (size_t)st.st_size) {
        ssize_t n = read(fd, text + got, (size_t)st.st_size - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    text[got] = '\0';
    close(fd);
    if (len)
        *len = got;
    return text;
}

static void file_put(const char *path, int flags, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    assert_true(fd >= 0);
    const char *at = bytes;
    while (len) {
        ssize_t n = write(fd, at, len);
        assert_true(n > 0);
        at += n;
        len -= (size_t)n;
    }
    close(fd);
}

void test_file_write(const char *path, const void *bytes, size_t len)
{
    file_put(path, O_TRUNC, bytes, len);
}

void test_file_append(const char *path, const void *bytes, size_t len)
{
    file_put(path, O_APPEND, bytes, len);
}

uint64_t test_random_next(struct test_random *r)
{
    uint64_t x = r->state ? r->state : 0x9e3779b97f4a7c15u;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    r->state = x;
    return x * 0x2545f4914f6cdd1du;
}

uint64_t test_random_below(struct test_random *r, uint64_t below)
{
    return test_random_next(r) % below;
}
