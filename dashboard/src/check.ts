// Checks an answer of the server against its described shape and gives it its type in the same
// stroke, so that the types in api.ts can never promise a field that was not looked at. A wrong
// field is reported by its path; a field that is not described is ignored, which lets a newer
// server add figures without breaking an older page.

export class BadAnswer extends Error {}

export type Check<T> = (value: unknown, path: string) => T;
export type Checked<C> = C extends Check<infer T> ? T : never;

function wrong(path: string, wanted: string, value: unknown): never {
  const found = value === undefined ? "missing" : value === null ? "null" : typeof value;
  throw new BadAnswer(`${path} should be ${wanted}, but is ${found}`);
}

export const number: Check<number> = (value, path) =>
  typeof value === "number" && Number.isFinite(value) ? value : wrong(path, "a number", value);

export const text: Check<string> = (value, path) =>
  typeof value === "string" ? value : wrong(path, "a text", value);

export const bool: Check<boolean> = (value, path) =>
  typeof value === "boolean" ? value : wrong(path, "true or false", value);

export function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, path) => (value === null ? null : check(value, path));
}

export function oneOf<const T extends string>(...words: T[]): Check<T> {
  return (value, path) =>
    words.includes(value as T) ? (value as T) : wrong(path, `one of ${words.join(", ")}`, value);
}

export function list<T>(check: Check<T>): Check<T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((item, index) => check(item, `${path}[${index}]`))
      : wrong(path, "a list", value);
}

type Fields = Record<string, Check<unknown>>;

export function object<F extends Fields>(fields: F): Check<{ [K in keyof F]: Checked<F[K]> }> {
  return (value, path) => {
    if (typeof value !== "object" || value === null) wrong(path, "an object", value);
    const source = value as Record<string, unknown>;
    const result: Record<string, unknown> = {};
    for (const [name, check] of Object.entries(fields)) {
      result[name] = check(source[name], path === "" ? name : `${path}.${name}`);
    }
    return result as { [K in keyof F]: Checked<F[K]> };
  };
}
