/* being written */
#include "node/event.h"
