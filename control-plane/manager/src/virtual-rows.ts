import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.ts';

export interface VirtualRowsProps<Row> {
  label: string;
  /** The head's cells. */
  columns: readonly string[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  /** Pixels; each row has the same. */
  rowHeight: number;
  cells: (row: Row) => ComponentChildren;
  className: string;
}

/** Rows beyond what is seen, so that a fast scroll shows them before they are drawn anew. */
const BEYOND = 8;

/** A table of which only what is seen is in the page, so that thousands of rows scroll as ten do. */
export function VirtualRows<Row>({
  label,
  columns,
  rows,
  keyOf,
  rowHeight,
  cells,
  className,
}: VirtualRowsProps<Row>): VNode {
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const look = () => {
    const { scrollTop, clientHeight } = scroller.current!;
    setView((before) => {
      const top = Math.floor(scrollTop / rowHeight) * rowHeight;
      return before.top === top && before.height === clientHeight ? before : { top, height: clientHeight };
    });
  };
  useLayoutEffect(look, [rowHeight]);
  useEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, [rowHeight]);
  const first = Math.max(0, Math.floor(view.top / rowHeight) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / rowHeight) + BEYOND);
  return html`<div class=${`virtual ${className}`} ref=${scroller} onScroll=${look} tabindex="0" role="region" aria-label=${`${label}, scrollable`}>
    <div role="table" aria-label=${label} aria-rowcount=${rows.length + 1} aria-colcount=${columns.length}>
      <div role="rowgroup" class="virtual-head">
        <div role="row" aria-rowindex="1" class="virtual-row">
          ${columns.map((column) => html`<span role="columnheader" key=${column}>${column}</span>`)}
        </div>
      </div>
      <div role="rowgroup" class="virtual-body" style=${{ height: `${rows.length * rowHeight}px` }}>
        ${rows.slice(first, last).map(
          (row, index) => html`<div
            role="row"
            key=${keyOf(row)}
            aria-rowindex=${first + index + 2}
            class="virtual-row"
            style=${{ height: `${rowHeight}px`, transform: `translateY(${(first + index) * rowHeight}px)` }}
          >
            ${cells(row)}
          </div>`,
        )}
      </div>
    </div>
  </div>`;
}

/** Whether the window is as narrow as a telephone. */
export function useNarrow(): boolean {
  const query = window.matchMedia('(max-width: 760px)');
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const listener = () => setNarrow(query.matches);
    query.addEventListener('change', listener);
    return () => query.removeEventListener('change', listener);
  }, []);
  return narrow;
}
