import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { FleetReference, Vault } from './admin-api.ts';
import { isMasked, isWithheld } from './credential-field.ts';
import { useFleet } from './fleet-feed.ts';
import { html } from './html.ts';
import { Empty, LoadedPart, useLoaded } from './loading.ts';
import type { PageProps } from './page-props.ts';
import { ReferenceBuilder } from './reference-builder.ts';
import { hrefOf } from './route.ts';
import { countedText, durationText, timeText } from './time-text.ts';
import { DeleteVault } from './vault-editor.ts';

export function VaultsPage({ api, feed }: PageProps): VNode {
  useFleet(feed);
  const [deleting, setDeleting] = useState<Vault | null>(null);
  const [search, setSearch] = useState('');
  const vaults = useLoaded(() => api.all<Vault>('/vaults'), 'vaults', {
    anewFor: String(feed.position?.version ?? ''),
  });
  const references = useLoaded(() => api.all<FleetReference>('/clustering/references'), 'references', {
    everyMs: 5000,
  });
  const inUse = new Map<string, number>();
  for (const { vault } of references.value ?? []) inUse.set(vault, (inUse.get(vault) ?? 0) + 1);
  const mayEdit = api.can('editor');
  return html`<div class="page">
    <div class="page-head">
      <h1>Vaults</h1>
      ${mayEdit && html`<a class="button primary" href="#/vaults/new">New vault</a>`}
    </div>
    <${LoadedPart} of=${vaults}>${(all: Vault[]) => {
      const needle = search.trim().toLowerCase();
      const found = all
        .filter((vault) =>
          `${vault.prefix} ${vault.name} ${vault.description ?? ''} ${(vault.tags ?? []).join(' ')} ${Object.values(vault.config).join(' ')}`
            .toLowerCase()
            .includes(needle),
        )
        .sort((a, b) => a.prefix.localeCompare(b.prefix));
      if (all.length === 0) {
        return html`<${Empty} title="There is no vault yet">
          <p>A vault is a place that secrets come from, such as AWS Secrets Manager in one region.</p>
          ${mayEdit && html`<a class="button primary" href="#/vaults/new">Make the first</a>`}
        <//>`;
      }
      return html`
        ${
          all.length > 6 &&
          html`<div class="toolbar"><label class="search"><span class="visually-hidden">Search vaults</span>
          <input type="search" placeholder="Prefix, type, tag, region" value=${search} onInput=${(event: Event) => setSearch((event.target as HTMLInputElement).value)} /></label>
          <p role="status">${found.length} of ${all.length} shown</p></div>`
        }
        <ul class="cards">${found.map(
          (vault) => html`<li key=${vault.id} class="card vault">
          <h2><code>${vault.prefix}</code></h2>
          <p class="kind">${[vault.name, ...['region', 'host', 'mount', 'project_id'].map((name) => vault.config[name] ?? [])].flat().join(' · ')}</p>
          <p>${vault.description ?? ''}</p>
          ${Object.values(vault.config).some(isMasked) && html`<p class="notice warning">Has a credential in its configuration. <a href=${hrefOf(['vaults', 'edit', vault.prefix])}>Put a reference in its place</a></p>`}
          ${Object.values(vault.config).some(isWithheld) && html`<p class="notice warning">Its credential can't be decrypted. Look at where the vault is, and <a href=${hrefOf(['vaults', 'edit', vault.prefix])}>give the credential again</a></p>`}
          <dl class="facts compact">
            <div><dt>ttl</dt><dd>${lifetimeText(vault.config.ttl, 'no rotation')}</dd></div>
            <div><dt>In use</dt><dd>${references.value === undefined ? '…' : html`<a href=${hrefOf(['references'], { vault: vault.prefix })}>${countedText(inUse.get(vault.prefix) ?? 0, 'secret')}</a>`}</dd></div>
            <div><dt>Changed</dt><dd>${timeText(vault.updated_at)}</dd></div>
          </dl>
          ${(vault.tags ?? []).length > 0 && html`<p class="tags">${vault.tags!.map((tag) => html`<span class="tag" key=${tag}>${tag}</span>`)}</p>`}
          ${
            mayEdit &&
            html`<div class="actions">
            <a class="button" href=${hrefOf(['vaults', 'edit', vault.prefix])} aria-label=${`Edit ${vault.prefix}`}>Edit</a>
            <a class="button" href=${hrefOf(['vaults', 'new'], { from: vault.prefix })} aria-label=${`Duplicate ${vault.prefix}`}>Duplicate</a>
            <button type="button" class="danger" aria-label=${`Delete ${vault.prefix}`} onClick=${() => setDeleting(vault)}>Delete…</button>
          </div>`
          }
        </li>`,
        )}</ul>
        <${ReferenceBuilder} vaults=${all.map(({ prefix }) => prefix)} />
      `;
    }}<//>
    ${
      deleting &&
      html`<${DeleteVault} api=${api} vault=${deleting} onClose=${() => setDeleting(null)} onDone=${() => {
        setDeleting(null);
        void vaults.reload();
      }} />`
    }
  </div>`;
}

function lifetimeText(value: unknown, none: string): string {
  return typeof value === 'number' && value > 0 ? durationText(value) : none;
}
