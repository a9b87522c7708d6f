import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { CopyButton } from './copy-button.ts';
import { html } from './html.ts';

type Printer = typeof import('@vaultplane/model/references/reference-text.ts');

/** Writes a reference for a secret's name and key, encoded as the data planes read it, and says what they will read. */
export function ReferenceBuilder({ vaults }: { vaults: readonly string[] }): VNode {
  const [vault, setVault] = useState(vaults[0] ?? 'aws');
  const [path, setPath] = useState('secret-name');
  const [key, setKey] = useState('foo');
  const [version, setVersion] = useState('');
  const [printer, setPrinter] = useState<Printer | null>(null);
  const shown = useRef<HTMLElement>(null);
  // The very code by which data planes read it.
  useEffect(() => {
    void import('@vaultplane/model/references/reference-text.ts').then(setPrinter);
  }, []);
  const parts = {
    vault,
    path,
    ...(key !== '' && { key }),
    ...(/^[1-9]\d{0,14}$/.test(version) && { version: Number(version) }),
  };
  const text = printer && path !== '' ? printer.printReference(parts) : '';
  const second = printer && path !== '' ? printer.secondReading(parts) : undefined;
  const field = (
    id: string,
    label: string,
    value: string,
    set: (value: string) => void,
    help: string,
  ) => html`<div class="field">
    <label for=${id}>${label}</label>
    <input id=${id} value=${value} spellcheck=${false} autocapitalize="off" aria-describedby=${`${id}-help`} onInput=${(
      event: Event,
    ) => {
      set((event.target as HTMLInputElement).value);
    }} />
    <p class="help" id=${`${id}-help`}>${help}</p>
  </div>`;
  return html`<section class="card builder" aria-labelledby="builder-title">
    <h2 id="builder-title">Reference builder</h2>
    <div class="form-grid">
      <div class="field"><label for="builder-vault">Vault</label>
        <select id="builder-vault" value=${vault} onChange=${(event: Event) => setVault((event.target as HTMLSelectElement).value)}>
          ${vaults.map((prefix) => html`<option key=${prefix}>${prefix}</option>`)}
        </select></div>
      ${field('builder-path', "Secret's name", path, setPath, 'As the vault has it; slashes are encoded where they must be')}
      ${field('builder-key', 'Key', key, setKey, 'A member of the JSON; empty: the whole secret')}
      ${field('builder-version', 'Version', version, setVersion, 'Empty: the current one. In AWS 2 is the one before; elsewhere a number')}
    </div>
    <div class="built"><output for="builder-vault builder-path builder-key builder-version"><code ref=${shown}>${text || '–'}</code></output>
      <${CopyButton} key=${text} text=${text} shownIn=${shown} /></div>
    ${
      text !== '' &&
      html`<ol class="readings">
      <li>Data planes look for ${parts.key === undefined ? html`the whole secret <code>${path}</code>` : html`member <code>${key}</code> of the secret <code>${path}</code>`}.</li>
      ${second && html`<li>Only if there is no such secret: the whole secret <code>${second.path}</code>.</li>`}
    </ol>`
    }
  </section>`;
}
