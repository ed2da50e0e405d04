/* being written */
#include "node/line.h"
