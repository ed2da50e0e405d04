// Chooses which nodes the page shows: none by name means all. Opened by its button or by `/`;
// closed by Escape, by a click elsewhere, or when the focus leaves it.

import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../app-context";
import { Icon } from "../icons/icon";
import { toggleNode } from "../router";
import { nodeNames } from "../select";
import type { State } from "../state";
import { T } from "../strings";

const OPEN = "opennodesearch";

export function openNodeSearch(): void {
  dispatchEvent(new Event(OPEN));
}

function chosenText(state: State): string {
  const names = nodeNames(state);
  const { nodes } = state.route;
  if (nodes.length === 0) return T.picker.all(names.length);
  if (nodes.length > 1) return T.picker.some(nodes.length);
  const only = nodes[0] as number;
  return names.find((node) => node.id === only)?.name ?? T.picker.unknown(only);
}

function Choices({ search }: { search: string }) {
  const { state, controller } = useApp();
  const names = nodeNames(state);
  const ids = names.map((node) => node.id);
  const { nodes } = state.route;
  const wanted = search.trim().toLowerCase();
  const found = names.filter((node) => node.name.toLowerCase().includes(wanted));
  return (
    <fieldset>
      <legend class="unseen">{T.picker.list}</legend>
      <label class="choice all">
        <input type="checkbox" checked={nodes.length === 0} onChange={() => controller.go({ nodes: [] })} />
        <span>{T.picker.allNodes}</span>
      </label>
      {found.map((node) => (
        <label class="choice" key={node.id}>
          <input
            type="checkbox"
            checked={nodes.includes(node.id)}
            onChange={() => controller.go({ nodes: toggleNode(nodes, node.id, ids) })}
          />
          <span>{node.name}</span>
        </label>
      ))}
      {found.length === 0 && <p class="hint">{T.picker.none}</p>}
    </fieldset>
  );
}

export function NodePicker() {
  const { state } = useApp();
  const [open, setOpen] = useState(false);
  const [search, setSearch] = useState("");
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const popup = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);

  const show = () => {
    // Shown at once and not with the next drawing: what is typed right after `/` belongs here.
    if (popup.current) popup.current.hidden = false;
    field.current?.focus();
    setSearch("");
    setOpen(true);
  };
  useEffect(() => {
    addEventListener(OPEN, show);
    return () => removeEventListener(OPEN, show);
  }, []);

  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => {
      if (event.target instanceof Node && !root.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open]);

  const escape = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !open) return;
    event.preventDefault();
    setOpen(false);
    button.current?.focus();
  };

  return (
    <div class="picker" ref={root} onKeyDown={escape}>
      <button type="button" ref={button} aria-expanded={open} aria-keyshortcuts="/" onClick={() => (open ? setOpen(false) : show())}>
        <span class="picker-label">{T.picker.label}</span> <span class="picker-value">{chosenText(state)}</span>
        <Icon name="down" />
      </button>
      <div class="popup" ref={popup} hidden={!open}>
        <input
          ref={field}
          type="search"
          aria-label={T.picker.search}
          placeholder={T.picker.search}
          autocomplete="off"
          spellcheck={false}
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
        {open && <Choices search={search} />}
      </div>
    </div>
  );
}
