// The frame of every panel, and the states it can be in besides showing figures: loading, failed,
// empty, cut off, broken. A panel's body is only called with figures at hand, so no body has to
// think of the other states; a body that throws takes down its own panel and no other.

import { Component } from "preact";
import type { ComponentChildren } from "preact";
import type { Overview } from "../api";
import { useApp } from "../app-context";
import type { App } from "../app-context";
import { duration } from "../format";
import { Icon } from "../icons/icon";
import { queryOf, staleFor } from "../state";
import { T } from "../strings";

export type PanelId = keyof typeof T.panel.failed;

interface PanelProps {
  readonly id: PanelId;
  readonly title: string | ((overview: Overview) => string);
  /** What the heading says before there are figures. */
  readonly plainTitle?: string;
  readonly tools?: ComponentChildren;
  readonly children: (overview: Overview, app: App) => ComponentChildren;
}

function Trouble({ text, cause, onRetry, more }: {
  text: string;
  cause?: string | undefined;
  onRetry: () => void;
  more?: ComponentChildren;
}) {
  return (
    <div class="trouble">
      <p>
        <Icon name="attention" /> <strong>{text}</strong>
      </p>
      {cause && <p class="cause">{T.panel.cause(cause)}</p>}
      <div class="buttons">
        <button type="button" onClick={onRetry}>
          {T.panel.retry}
        </button>
        {more}
      </div>
    </div>
  );
}

/** Why there is nothing to see, and what would change that. */
export function Empty({ title, hint }: { title: string; hint: string }) {
  return (
    <div class="empty">
      <p>
        <strong>{title}</strong>
      </p>
      <p>{hint}</p>
    </div>
  );
}

class Boundary extends Component<{ children: ComponentChildren; of: unknown }, { broken: string | null }> {
  override state = { broken: null as string | null };

  override componentDidCatch(error: unknown): void {
    this.setState({ broken: error instanceof Error ? error.message : String(error) });
  }

  /** New figures may be ones that can be drawn. */
  override componentDidUpdate(before: { of: unknown }): void {
    if (this.state.broken !== null && before.of !== this.props.of) this.setState({ broken: null });
  }

  override render() {
    if (this.state.broken === null) return this.props.children;
    const again = () => this.setState({ broken: null });
    return <Trouble text={T.panel.broken} cause={this.state.broken} onRetry={again} />;
  }
}

function Body({ id, children }: Pick<PanelProps, "id" | "children">) {
  const app = useApp();
  const { overview, failure, route } = app.state;
  if (overview) return <Inner overview={overview} app={app} draw={children} />;
  if (!failure) {
    return (
      <div class="skeleton" role="img" aria-label={T.panel.loading}>
        <span />
        <span />
        <span />
      </div>
    );
  }
  // A refused choice of nodes (a bookmark of one that is gone) is not mended by asking again.
  const showAll = failure.refused && route.nodes.length > 0 && (
    <button type="button" onClick={() => app.controller.go({ nodes: [] })}>
      {T.panel.allNodes}
    </button>
  );
  const retry = () => app.controller.retryNow();
  return <Trouble text={T.panel.failed[id]} cause={failure.cause_text} onRetry={retry} more={showAll} />;
}

/** A component of its own, so that what a body throws is thrown below the boundary. */
function Inner({ overview, app, draw }: { overview: Overview; app: App; draw: PanelProps["children"] }) {
  return <>{draw(overview, app)}</>;
}

function StaleMark({ age }: { age: number }) {
  return (
    <p class="stale-mark" title={T.panel.staleTitle}>
      <Icon name="clock" /> {T.panel.stale(duration(age))}
    </p>
  );
}

export function Panel({ id, title, plainTitle, tools, children }: PanelProps) {
  const { state, openHelp } = useApp();
  const { overview } = state;
  const age = staleFor(state);
  const busy = state.failure === null && state.answered !== queryOf(state);
  const heading = typeof title === "string" ? title : overview ? title(overview) : (plainTitle ?? "");
  const classes = ["panel", `panel-${id}`, age !== null && "stale", busy && overview && "waiting"];
  return (
    <section class={classes.filter(Boolean).join(" ")} aria-labelledby={`title-${id}`} aria-busy={busy}>
      <header>
        <h2 id={`title-${id}`}>{heading}</h2>
        <button
          type="button"
          class="plain term"
          aria-label={T.panel.help(heading)}
          aria-haspopup="dialog"
          onClick={() => openHelp(id)}
        >
          <Icon name="help" />
        </button>
        {age !== null && <StaleMark age={age} />}
        {tools}
      </header>
      <Boundary of={overview}>
        <Body id={id}>{children}</Body>
      </Boundary>
    </section>
  );
}
