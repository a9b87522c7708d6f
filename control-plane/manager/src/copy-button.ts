import type { RefObject, VNode } from 'preact';
import { useState } from 'preact/hooks';
import { html } from './html.ts';

/**
 * A button that copies a text. A browser has no clipboard for pages that come over plain http from another machine: there
 * the text is selected, to be copied by hand. Give it the text as `key`, so that another text is not said to be copied.
 *
 * @param shownIn where the text is shown
 */
export function CopyButton({
  text,
  shownIn,
  primary = false,
}: {
  text: string;
  shownIn: RefObject<HTMLElement>;
  primary?: boolean;
}): VNode {
  const [said, setSaid] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied');
    } catch {
      getSelection()?.selectAllChildren(shownIn.current!);
      setSaid('The browser does not allow it here; it is selected: press Ctrl-C');
    }
  };
  return html`<button type="button" class=${primary ? 'primary' : ''} disabled=${text === ''} onClick=${copy}>Copy</button>
    <span role="status">${said}</span>`;
}
