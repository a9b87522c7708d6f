import type { ComponentChildren, VNode } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { errorText } from './admin-api.ts';
import { html } from './html.ts';

export interface Loaded<T> {
  value: T | undefined;
  error: string | undefined;
  /** Loads anew; what is there stays until then. */
  reload: () => Promise<void>;
}

/**
 * What a function gives, loaded now and whenever `key`, which says what it is, is another one.
 *
 * @param options.anewFor with another one it is loaded anew; what was there stays until then, and so does all that it is shown in
 * @param options.everyMs it is loaded anew so often while the page is looked at
 */
export function useLoaded<T>(
  load: () => Promise<T>,
  key: string,
  { anewFor = '', everyMs }: { anewFor?: string; everyMs?: number } = {},
): Loaded<T> {
  const [state, setState] = useState<{ key: string; value?: T; error?: string }>({ key });
  const current = useRef({ load, key });
  current.current = { load, key };
  const begun = useRef(0);
  const shown = useRef(0);
  const reload = useCallback(async () => {
    const { load: loadNow, key: of } = current.current;
    const turn = ++begun.current;
    // One that began later may have ended before.
    const isNews = () => current.current.key === of && turn > shown.current;
    try {
      const value = await loadNow();
      if (!isNews()) return;
      shown.current = turn;
      setState({ key: of, value });
    } catch (error) {
      if (isNews()) setState((before) => ({ key: of, ...(before.key === of && before), error: errorText(error) }));
    }
  }, []);
  useEffect(() => {
    void reload();
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') void reload();
    }, everyMs);
    return () => clearInterval(timer);
  }, [key, anewFor, everyMs]);
  const own = state.key === key ? state : { key };
  return { value: own.value, error: own.error, reload };
}

/** A part of a page that is not there yet, can't be had, or is there. */
export function LoadedPart<T>({
  of,
  rows = 4,
  children,
}: {
  of: Loaded<T>;
  rows?: number;
  children: (value: T) => ComponentChildren;
}): VNode {
  if (of.value === undefined) {
    return of.error === undefined
      ? html`<div class="skeleton" role="status" aria-label="Loading">
          ${Array.from({ length: rows }, (_, index) => html`<div key=${index} class="bone"></div>`)}
        </div>`
      : html`<${Problem} title="This could not be loaded" text=${of.error} onRetry=${of.reload} />`;
  }
  return html`
    ${of.error !== undefined && html`<p class="notice warning" role="status"><span aria-hidden="true">▲</span> This is not up to date: ${of.error}</p>`}
    ${children(of.value)}
  `;
}

export function Problem({ title, text, onRetry }: { title: string; text: string; onRetry?: () => void }): VNode {
  return html`<div class="problem" role="alert">
    <h2>${title}</h2>
    <p>${text}</p>
    ${onRetry && html`<button type="button" onClick=${onRetry}>Try again</button>`}
  </div>`;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }): VNode {
  return html`<div class="empty"><h2>${title}</h2>${children}</div>`;
}
