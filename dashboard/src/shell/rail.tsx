// The rail at the left, which becomes the bar at the bottom on a phone: the views, then what
// belongs to the page itself.

import { useState } from "preact/hooks";
import { useApp } from "../app-context";
import { Icon } from "../icons/icon";
import { readTheme, saveTheme } from "../prefs";
import type { Theme } from "../prefs";
import { formatRoute } from "../router";
import { T } from "../strings";
import { VIEWS } from "../views";

const THEMES = ["auto", "light", "dark"] as const;

function ThemeSwitch() {
  const [theme, setTheme] = useState(readTheme);
  const choose = (next: Theme) => {
    saveTheme(next);
    setTheme(next);
    // Charts are drawn in pixels and have to be drawn again in the new colours.
    dispatchEvent(new Event("themechange"));
  };
  return (
    <div class="themes" role="group" aria-label={T.theme.label}>
      {THEMES.map((name) => (
        <button type="button" aria-pressed={theme === name} onClick={() => choose(name)}>
          <Icon name={name} />
          <span>{T.theme[name]}</span>
        </button>
      ))}
    </div>
  );
}

export function Rail() {
  const { state, openHelp } = useApp();
  return (
    <aside class="rail" aria-label={T.railLabel}>
      <nav aria-label={T.viewsLabel}>
        {VIEWS.map((view) => (
          <a
            href={formatRoute({ ...state.route, path: view.path })}
            aria-current={view.path === state.route.path ? "page" : undefined}
          >
            <Icon name={view.icon} />
            <span>{view.title}</span>
          </a>
        ))}
      </nav>
      <div class="tools" role="group" aria-label={T.toolsLabel}>
        <ThemeSwitch />
        <button type="button" class="open-help" aria-haspopup="dialog" onClick={() => openHelp()}>
          <Icon name="help" />
          <span>{T.help.open}</span>
        </button>
        {state.meta && <p class="version">{T.help.version(state.meta.version)}</p>}
      </div>
    </aside>
  );
}
