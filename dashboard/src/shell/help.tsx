// The glossary and the list of keys, one text for every `?` on the page.

import { useEffect, useRef } from "preact/hooks";
import { useApp } from "../app-context";
import { T } from "../strings";

interface HelpProps {
  readonly request: { term?: string | undefined } | null;
  readonly onClose: () => void;
  readonly keysOn: boolean;
  readonly onKeysChange: (on: boolean) => void;
}

function Keys({ keysOn, onKeysChange }: Pick<HelpProps, "keysOn" | "onKeysChange">) {
  return (
    <section>
      <h3>{T.help.keys}</h3>
      <dl class="keys">
        {T.help.keyList.map(([keys, meaning]) => (
          <div>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <label class="choice">
        <input type="checkbox" checked={keysOn} onChange={(event) => onKeysChange(event.currentTarget.checked)} />
        <span>{T.help.keysOn}</span>
      </label>
    </section>
  );
}

function Glossary({ term }: { term: string | undefined }) {
  return (
    <section>
      <h3>{T.help.terms}</h3>
      <dl class="glossary">
        {Object.entries(T.help.glossary).map(([key, [word, meaning]]) => (
          <div class={key === term ? "asked" : undefined} data-term={key}>
            <dt>{word}</dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

export function Help({ request, onClose, keysOn, onKeysChange }: HelpProps) {
  const { state } = useApp();
  const dialog = useRef<HTMLDialogElement>(null);
  const term = request?.term;
  useEffect(() => {
    if (!request) return;
    if (!dialog.current?.open) dialog.current?.showModal();
    if (term) dialog.current?.querySelector(`[data-term="${term}"]`)?.scrollIntoView({ block: "center" });
  }, [request, term]);
  // A click on the backdrop is a click on the dialog itself, outside of its content.
  const backdrop = (event: MouseEvent) => {
    if (event.target === dialog.current) dialog.current?.close();
  };
  return (
    <dialog class="help" ref={dialog} aria-labelledby="help-title" onClose={onClose} onClick={backdrop}>
      <div class="help-body">
        <header>
          <h2 id="help-title">{T.help.title}</h2>
          <button type="button" onClick={() => dialog.current?.close()}>
            {T.help.close}
          </button>
        </header>
        <Glossary term={term} />
        <Keys keysOn={keysOn} onKeysChange={onKeysChange} />
        <p class="hint">
          {state.meta && `${T.help.version(state.meta.version)} · `}
          {T.help.privacy}
        </p>
      </div>
    </dialog>
  );
}
