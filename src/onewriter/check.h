/* The look at a file whose last user did not close it. */
#ifndef ONEWRITER_CHECK_H
#define ONEWRITER_CHECK_H

#include "onewriter/onewriter.h"

/* With PATH.lock held, before anything else opens the file: tells of the unclean end and checks the
 * file for at most start_check_ms. OW_CORRUPT when it is damaged; nothing is changed. */
int ow_check_start(struct ow *db, struct ow_err *err);

#endif
