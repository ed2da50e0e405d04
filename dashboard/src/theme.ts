// Runs before anything is painted, so that a chosen theme never flashes up in the other colours.
// An own small file because the content security policy allows no script inside the page.

import { readTheme, showTheme } from "./prefs";

showTheme(readTheme());
