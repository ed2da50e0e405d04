/* being written */
#include "node/batch.h"
