import type { VNode } from 'preact';
import type { AdminApi, FieldSchema, FleetReference, Vault, VaultDiff } from './admin-api.ts';
import { html } from './html.ts';
import { LoadedPart, useLoaded } from './loading.ts';
import { countedText } from './time-text.ts';

/** What a change of a vault will touch: which references, on how many data planes, and what becomes of them. */
export function VaultImpact({
  api,
  change,
  edited,
  fields,
}: {
  api: AdminApi;
  change: VaultDiff;
  edited: Vault | null;
  /** Of the vault's type. */
  fields: ReadonlyArray<[string, FieldSchema]>;
}): VNode {
  const loaded = useLoaded(
    () =>
      edited
        ? api.all<FleetReference>(`/clustering/references?vault=${encodeURIComponent(edited.prefix)}`)
        : Promise.resolve([]),
    edited?.prefix ?? '',
  );
  return html`<section class="impact" aria-label="What it touches">
    <h3>What it touches</h3>
    <${LoadedPart} of=${loaded} rows=${2}>${(references: FleetReference[]) => html`
      <p>${effectText(change, references, fields)}</p>
      ${
        references.length > 0 &&
        html`<details><summary>${countedText(references.length, 'secret')} in use</summary>
        <ul class="plain-list">${references.slice(0, 200).map(({ reference, data_planes }) => html`<li key=${reference}><code>${reference}</code> on ${countedText(data_planes, 'data plane')}</li>`)}</ul>
        ${references.length > 200 && html`<p>and ${references.length - 200} more</p>`}
      </details>`
      }
    `}<//>
  </section>`;
}

function effectText(
  { change, fields }: VaultDiff,
  references: readonly FleetReference[],
  schemas: ReadonlyArray<[string, FieldSchema]>,
): string {
  if (change === 'create') return 'Nothing that is in use: references to it work on every data plane within a second.';
  if (references.length === 0) return 'No data plane has a secret of it in use.';
  const dataPlanes = Math.max(...references.map(({ data_planes }) => data_planes));
  const touched = `${countedText(references.length, 'secret')} in use on up to ${countedText(dataPlanes, 'data plane')}`;
  const changed = fields.map(({ field }) => field.replace(/^config\./, ''));
  if (change === 'delete')
    return `${touched}: their values are wiped at once, and applications that ask for them get unknown_vault.`;
  if (fields.some(({ field }) => field === 'prefix'))
    return `${touched}: references with the old prefix stop working at once.`;
  const identity = schemas.filter(([, { identity }]) => identity).map(([name]) => `config.${name}`);
  if (fields.some(({ field }) => identity.includes(field))) {
    return `${touched}: they are other secrets from then on; old values are never served for them, each is fetched anew.`;
  }
  if (changed.some((name) => ['ttl', 'neg_ttl', 'resurrect_ttl'].includes(name)))
    return `${touched}: the new lifetimes apply at once, to values that are held too.`;
  return `${touched}: their values stay.`;
}
