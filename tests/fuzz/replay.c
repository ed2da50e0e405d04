/* Runs a fuzz target over a committed corpus, where there is no fuzzer: `replay FOLDER`. A target
 * stops the program where it finds fault; an empty corpus is an error. */
#include <dirent.h>
#include <stdio.h>

#include "support.h"

#include "base/cleanup.h"
#include "fuzz.h"

int main(int argc, char **argv)
{
    struct dirent **names;
    int count = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1, run = 0;
    if (count < 0) {
        fprintf(stderr, "usage: replay FOLDER\n");
        return 1;
    }
    for (int i = 0; i < count; i++) {
        CLEANUP(free_ptr) struct dirent *name = names[i];
        if (name->d_name[0] == '.')
            continue;
        size_t len;
        CLEANUP(free_ptr) char *bytes = test_file_read(test_path(argv[1], name->d_name), &len);
        LLVMFuzzerTestOneInput((const uint8_t *)bytes, len);
        run++;
    }
    free(names);
    printf("%d inputs of %s\n", run, argv[1]);
    return run == 0;
}
