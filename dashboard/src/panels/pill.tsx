// A state as word, shape and colour together, so that none of them is needed to tell it.

import { Icon } from "../icons/icon";
import type { IconName } from "../icons/icon";

export type Tone = "good" | "attention" | "critical" | "info" | "unknown";

const SHAPE: Record<Tone, IconName> = {
  good: "good",
  attention: "attention",
  critical: "critical",
  info: "info",
  unknown: "unknown",
};

export function Pill({ tone, word, title }: { tone: Tone; word: string; title?: string | undefined }) {
  return (
    <span class={`pill tone-${tone}`} title={title}>
      <Icon name={SHAPE[tone]} />
      {word}
    </span>
  );
}
