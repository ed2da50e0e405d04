/* Preprocessed with -dM: every macro of the sqlite3.h in use, for test_codes.c. */
#include <sqlite3.h>
