// Numbers and times as the page shows them. Decimal units, as Storj pays; a figure that is not known
// is a dash and never a zero; a rounded share never claims "all" or "none" when that is not so.

import type { Outcomes } from "./api";
import { T } from "./strings";

export const UNKNOWN = "–";

const LOCALE = "en-GB";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });

function fixed(value: number, digits: number): string {
  return value.toLocaleString(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function count(value: number | null): string {
  return value === null || !Number.isFinite(value) ? UNKNOWN : whole.format(value);
}

/** A measured amount with the digits that matter: 0.04, 4.1, 97.3, 412. */
export function amount(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return UNKNOWN;
  if (value === 0) return "0";
  if (value < 0.005) return "<0.01";
  if (value < 0.0995) return fixed(value, 2);
  return value < 99.95 ? fixed(value, 1) : whole.format(value);
}

export function mbit(bits_per_second: number | null): string {
  return amount(bits_per_second === null ? null : bits_per_second / 1e6);
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let step = 0;
  let rest = value;
  // 999.95 and more would be printed as "1,000.0", which belongs to the next unit.
  while (step < units.length - 1 && rest >= base * 0.99995) {
    rest /= base;
    step++;
  }
  return `${step === 0 ? whole.format(rest) : fixed(rest, rest < 99.95 ? 1 : 0)} ${units[step]}`;
}

export function bytes(value: number | null): string {
  return value === null ? UNKNOWN : scaled(value, 1000, ["B", "kB", "MB", "GB", "TB", "PB"]);
}

/** The exact figure and the binary units, for tooltips. */
export function bytesExact(value: number | null): string {
  if (value === null) return T.unknownReason.figure;
  return `${whole.format(value)} B = ${scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"])}`;
}

/** `part` of `total` in per cent; null when nothing was counted. */
export function share(part: number, total: number): number | null {
  return total > 0 ? (100 * part) / total : null;
}

export function percent(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return UNKNOWN;
  if (value <= 0) return "0 %";
  if (value >= 100) return "100 %";
  if (value < 0.05) return "<0.1 %";
  return `${fixed(Math.min(value, 99.9), 1)} %`;
}

export function attempts(o: Outcomes): number {
  return o.completed + o.cancelled + o.failed + o.failed_by_peer;
}

/** Races won: completed of everything begun. What the node turned away was never begun. */
export function wonShare(o: Outcomes): number | null {
  return share(o.completed, attempts(o));
}

/** A length of time in its largest sensible unit: 0.4 s, 12 s, 6 min, 3 h, 2 d. */
export function duration(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return UNKNOWN;
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${fixed(seconds, 1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

const clock = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const clockSeconds = new Intl.DateTimeFormat(LOCALE, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const day = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });

export function timeOfDay(ms: number): string {
  return clock.format(ms);
}

export function timeExact(ms: number): string {
  return clockSeconds.format(ms);
}

export function dayOf(ms: number): string {
  return day.format(ms);
}

export function dayAndTime(ms: number): string {
  return `${day.format(ms)}, ${clock.format(ms)}`;
}

/** The same instant in UTC, for tooltips. */
export function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
