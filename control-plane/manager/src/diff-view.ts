import type { VNode } from 'preact';
import type { VaultDiff } from './admin-api.ts';
import { html } from './html.ts';

const CHANGES = { create: ['+', 'Made'], update: ['~', 'Changed'], delete: ['−', 'Deleted'] } as const;

/** What changes of vaults, field by field. */
export function DiffView({ changes }: { changes: readonly VaultDiff[] }): VNode {
  if (changes.length === 0) return html`<p>No vault is another one.</p>`;
  return html`<ul class="diffs">
    ${changes.map(({ change, prefix, id, fields }) => {
      const [sign, text] = CHANGES[change];
      return html`<li key=${id}>
        <h3 class=${change}><span aria-hidden="true">${sign}</span> ${text}: <code>${prefix}</code></h3>
        <div class="scroll-x" tabindex="0" role="region" aria-label=${`Changes of ${prefix}`}><table class="diff">
          <thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
          <tbody>${fields.map(
            ({ field, before, after }) => html`<tr key=${field}>
              <th scope="row">${field}</th>
              <td class=${before === null ? 'dim' : 'before'}>${valueText(before)}</td>
              <td class=${after === null ? 'dim' : 'after'}>${valueText(after)}</td>
            </tr>`,
          )}</tbody>
        </table></div>
      </li>`;
    })}
  </ul>`;
}

export function valueText(value: unknown): string {
  if (value === null || value === undefined) return 'not set';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
