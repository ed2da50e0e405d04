// What the page remembers in this browser. Storage may be switched off or full: then nothing is
// remembered, and nothing else changes.

export type Theme = "auto" | "light" | "dark";

const THEME = "nodewatch.theme";
const KEYS_OFF = "nodewatch.keysOff";

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Not remembered, still in force until the page is closed.
  }
}

export function readTheme(): Theme {
  const theme = read(THEME);
  return theme === "light" || theme === "dark" ? theme : "auto";
}

export function showTheme(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function saveTheme(theme: Theme): void {
  write(THEME, theme === "auto" ? null : theme);
  showTheme(theme);
}

export function readKeysOn(): boolean {
  return read(KEYS_OFF) === null;
}

export function saveKeysOn(on: boolean): void {
  write(KEYS_OFF, on ? null : "1");
}
