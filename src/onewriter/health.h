/* What a borrower leaves behind. */
#ifndef ONEWRITER_HEALTH_H
#define ONEWRITER_HEALTH_H

#include "onewriter/conn.h"

/* Puts a returned reader into the state it had when new. One that cannot be, or on which statements
 * were leaked, is closed (conn->db NULL): the next borrower opens it again. */
void ow_conn_clean(struct ow_conn *conn);

#endif
