import type { VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { useAction } from './action.ts';
import { type AdminApi, errorText, type FleetReference, type Refresh, type Serving, type Vault } from './admin-api.ts';
import { useFleet } from './fleet-feed.ts';
import { html } from './html.ts';
import { Empty, LoadedPart, useLoaded } from './loading.ts';
import type { PageProps } from './page-props.ts';
import { countedText, countText, durationText } from './time-text.ts';
import { useNarrow, VirtualRows } from './virtual-rows.ts';

const STATE_ICONS: Record<string, string> = { fresh: '●', stale: '◐', resurrected: '▲' };

export function ReferencesPage({ api, feed, route }: PageProps): VNode {
  useFleet(feed);
  const narrow = useNarrow();
  const [search, setSearch] = useState(route.query.get('vault') ? `{vault://${route.query.get('vault')}/` : '');
  const [only, setOnly] = useState('all');
  const vaults = useLoaded(() => api.all<Vault>('/vaults'), 'vaults', {
    anewFor: String(feed.position?.version ?? ''),
  });
  const loaded = useLoaded(() => api.all<FleetReference>('/clustering/references'), 'references', { everyMs: 2000 });
  const byPrefix = useMemo(() => new Map((vaults.value ?? []).map((vault) => [vault.prefix, vault])), [vaults.value]);
  return html`<div class="page references">
    <div class="page-head"><h1>References</h1><p class="sub">Every secret in use, and never a value</p></div>
    <${LoadedPart} of=${loaded} rows=${8}>${(all: FleetReference[]) => {
      if (all.length === 0)
        return html`<${Empty} title="No secret is in use"><p>Once an application asks a data plane for one, it shows itself here.</p><//>`;
      const needle = search.trim().toLowerCase();
      const found = all.filter(
        (row) => row.reference.toLowerCase().includes(needle) && (only === 'all' || isLike(row, only)),
      );
      return html`
        <div class="toolbar">
          <label class="search"><span class="visually-hidden">Search references</span><input type="search" placeholder="{vault://…}" value=${search} spellcheck=${false} onInput=${(event: Event) => setSearch((event.target as HTMLInputElement).value)} /></label>
          <label>Show <select value=${only} onChange=${(event: Event) => setOnly((event.target as HTMLSelectElement).value)}>
            <option value="all">all</option><option value="rotating">rotating now</option><option value="resurrected">resurrected</option><option value="stale">stale</option><option value="failed">not to be had</option>
          </select></label>
          <p role="status">${countText(found.length)} of ${countText(all.length)} shown</p>
        </div>
        ${
          found.length === 0
            ? html`<${Empty} title="No secret is like that"><p>Other words, or another filter, may find it.</p><//>`
            : html`<${VirtualRows} label="References" className="reference-rows" rows=${found} rowHeight=${narrow ? 188 : 76}
              keyOf=${({ vault, reference }: FleetReference) => `${vault} ${reference}`}
              columns=${['Secret', 'Data planes', 'Newest version', 'Age', 'Action']}
              cells=${(row: FleetReference) => html`<${Cells} api=${api} row=${row} vault=${byPrefix.get(row.vault)} />`} />`
        }
      `;
    }}<//>
  </div>`;
}

function isLike(row: FleetReference, only: string): boolean {
  if (only === 'rotating') return newestOf(row).share < 1;
  if (only === 'failed') return row.servings.some((serving) => serving.oldest_age_s === null);
  return row.servings.some(({ state }) => state === only);
}

/** The version that was fetched last, and on how much of the fleet it has arrived. */
export function newestOf({ servings }: FleetReference): {
  version: string | null;
  data_planes: number;
  total: number;
  share: number;
} {
  const held = servings.filter(
    (serving): serving is Serving & { oldest_age_s: number } => serving.oldest_age_s !== null,
  );
  const total = held.reduce((sum, { data_planes }) => sum + data_planes, 0);
  const youngest = held.reduce<(typeof held)[number] | null>(
    (best, serving) => (best === null || serving.oldest_age_s < best.oldest_age_s ? serving : best),
    null,
  );
  const dataPlanes = held
    .filter(({ version_id }) => version_id === youngest?.version_id)
    .reduce((sum, { data_planes }) => sum + data_planes, 0);
  return {
    version: youngest?.version_id ?? null,
    data_planes: dataPlanes,
    total,
    share: total === 0 ? 1 : dataPlanes / total,
  };
}

function Cells({ api, row, vault }: { api: AdminApi; row: FleetReference; vault: Vault | undefined }): VNode {
  const newest = newestOf(row);
  const states = new Map<string, number>();
  for (const { state, data_planes } of row.servings) states.set(state, (states.get(state) ?? 0) + data_planes);
  const version = newest.version === null ? 'no version' : newest.version.slice(0, 8);
  const label = `${countText(newest.data_planes)} of ${countedText(newest.total, 'data plane')} have ${version}`;
  return html`
    <span role="cell" class="reference"><code title=${row.reference}>${row.reference}</code></span>
    <span role="cell" class="states">${[...states].map(
      ([state, count]) =>
        html`<span key=${state} class=${`count ${state}`}><span aria-hidden="true">${STATE_ICONS[state] ?? '✖'}</span> ${countText(count)} ${state.replaceAll('_', ' ')}</span>`,
    )}</span>
    <span role="cell" class="newest">
      ${
        newest.total > 0 &&
        html`<progress max=${newest.total} value=${newest.data_planes} aria-label=${label}></progress>
      <small title=${newest.version ?? ''}>${label}</small>`
      }
    </span>
    <span role="cell" class="age"><${Age} row=${row} vault=${vault} /></span>
    <span role="cell" class="action">${api.can('editor') && html`<${RefreshButton} api=${api} row=${row} />`}</span>
  `;
}

function Age({ row, vault }: { row: FleetReference; vault: Vault | undefined }): VNode {
  if (row.oldest_age_s === null) return html`<span class="dim">none held</span>`;
  const ttl = Number(vault?.config.ttl ?? 0);
  const resurrect = Number(vault?.config.resurrect_ttl ?? 100_000_000);
  const age = durationText(row.oldest_age_s);
  if (ttl === 0) return html`<span>${age}<br /><small>no rotation</small></span>`;
  const end =
    row.oldest_age_s <= ttl
      ? `of ttl ${durationText(ttl)}`
      : `runs out in ${durationText(ttl + resurrect - row.oldest_age_s)}`;
  return html`<span class=${row.oldest_age_s > ttl * 1.2 ? 'warning-text' : ''}>${age}<br /><small>${end}</small></span>`;
}

function RefreshButton({ api, row }: { api: AdminApi; row: FleetReference }): VNode {
  const [text, setText] = useState<string | null>(null);
  const { run } = useAction();
  const refresh = () =>
    run(async () => {
      setText('Asking…');
      try {
        const path = row.reference.slice(`{vault://${row.vault}/`.length, -1).replace(/[?#].*$/, '');
        let progress = await api.call<Refresh>('POST', `/vaults/${encodeURIComponent(row.vault)}/refresh`, {
          path,
          spread_s: 0,
        });
        for (let tries = 0; progress.data_planes.waiting > 0 && tries < 120; tries++) {
          setText(`${countText(progress.data_planes.done)} of ${countText(progress.data_planes.sent)}`);
          await new Promise((resolve) => setTimeout(resolve, 500));
          progress = await api.get<Refresh>(`/clustering/commands/${progress.id}`);
        }
        const { refreshed, changed, failed } = progress.secrets;
        setText(
          failed > 0 ? `${countText(failed)} failed` : `${countText(refreshed)} fetched, ${countText(changed)} new`,
        );
      } catch (error) {
        setText(errorText(error));
      }
    });
  return html`<button type="button" aria-label=${`Refresh ${row.reference}`} onClick=${refresh}>Refresh</button><small role="status">${text}</small>`;
}
