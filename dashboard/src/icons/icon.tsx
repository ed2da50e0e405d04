// The page's few pictures, drawn in the text's colour. All are decoration next to a word, and so
// hidden from screen readers.

const SHAPES = {
  overview: "M2 2h5v6H2zM9 2h5v4H9zM9 8h5v6H9zM2 10h5v4H2z",
  good: "M6.4 12.6 2 8.2l1.6-1.6 2.8 2.8 6-6L14 5z",
  attention: "M8 1.2 15.4 14.5H.6zM7.2 6v4.2h1.6V6zm0 5.3v1.6h1.6v-1.6z",
  critical: "M5 1h6l4 4v6l-4 4H5l-4-4V5zm2.2 3v5h1.6V4zm0 6.2v1.7h1.6v-1.7z",
  info: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zm-.8 6v5h1.6V7zm0-2.8v1.7h1.6V4.2z",
  unknown: "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zm0 1.8a4.7 4.7 0 1 0 0 9.4 4.7 4.7 0 0 0 0-9.4z",
  clock: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zm0 1.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6zm-.7 1.7h1.5v3.5l2.4 1.4-.8 1.3-3.1-1.9z",
  pause: "M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z",
  play: "M4 2l9.5 6L4 14z",
  down: "M3 5.5h10L8 11.5z",
  help: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zm-.9 9.9v1.7h1.7v-1.7zM5.4 6.1H7c0-.7.4-1.1 1-1.1s1 .4 1 .9c0 .5-.3.8-.8 1.2-.8.6-1.1 1.1-1.1 2v.5h1.6v-.3c0-.5.3-.8.8-1.2.7-.5 1.2-1.1 1.2-2.2 0-1.5-1.1-2.4-2.7-2.4S5.4 4.5 5.4 6.1z",
  auto: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zm0 1.6v10.8A5.4 5.4 0 0 0 8 2.6z",
  light: "M8 4.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM7.2 0h1.6v3H7.2zM7.2 13h1.6v3H7.2zM0 7.2h3v1.6H0zM13 7.2h3v1.6h-3zM2 3.1 3.1 2l2.1 2.1-1.1 1.1zM10.8 11.9l1.1-1.1L14 12.9 12.9 14zM2 12.9l2.1-2.1 1.1 1.1L3.1 14zM10.8 4.1 12.9 2 14 3.1l-2.1 2.1z",
  dark: "M6.2 1.2A7 7 0 1 0 14.8 9.8 5.8 5.8 0 0 1 6.2 1.2z",
} as const;

export type IconName = keyof typeof SHAPES;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={SHAPES[name]} fill-rule="evenodd" />
    </svg>
  );
}
