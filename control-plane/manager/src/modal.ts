import type { ComponentChildren, VNode } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { html } from './html.ts';

/** A dialog over the page, by the browser's own element: Escape closes it, the focus stays in it and goes back after. */
export function Modal({
  title,
  onClose,
  wide = false,
  children,
}: {
  title: string;
  onClose: () => void;
  wide?: boolean;
  children: ComponentChildren;
}): VNode {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const dialog = element.current!;
    dialog.showModal();
    return () => {
      // What is behind an open dialog can not have the focus.
      dialog.close();
      before?.focus();
    };
  }, []);
  const onBackdrop = (event: MouseEvent) => event.target === element.current && onClose();
  return html`<dialog
    ref=${element}
    class=${wide ? 'wide' : ''}
    aria-label=${title}
    onCancel=${(event: Event) => {
      event.preventDefault();
      onClose();
    }}
    onClick=${onBackdrop}
  >
    <div class="dialog-body">
      <header>
        <h2>${title}</h2>
        <button type="button" class="quiet icon" aria-label="Close" onClick=${onClose}>✕</button>
      </header>
      ${children}
    </div>
  </dialog>`;
}
