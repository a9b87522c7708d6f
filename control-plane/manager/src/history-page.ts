import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { useAction } from './action.ts';
import type { AdminApi, ConfigVersion, VaultDiff } from './admin-api.ts';
import { DiffView } from './diff-view.ts';
import { useFleet } from './fleet-feed.ts';
import { html } from './html.ts';
import { Empty, LoadedPart, useLoaded } from './loading.ts';
import { Modal } from './modal.ts';
import type { PageProps } from './page-props.ts';
import { go, hrefOf } from './route.ts';
import { countedText, timeText } from './time-text.ts';

export function HistoryPage({ api, feed, route }: PageProps): VNode {
  useFleet(feed);
  const [pages, setPages] = useState(1);
  // A new version, by whomever, is a new list.
  const versions = useLoaded(() => firstPages<ConfigVersion>(api, '/config/versions?size=50', pages), 'versions', {
    anewFor: `${pages} ${feed.position?.version ?? ''}`,
  });
  const shown = route.segments[1] === undefined ? null : Number(route.segments[1]);
  return html`<div class="page">
    <div class="page-head"><h1>History</h1><p class="sub">Every version of the configuration</p></div>
    <${LoadedPart} of=${versions} rows=${8}>${({ rows, more }: { rows: ConfigVersion[]; more: boolean }) =>
      rows.length === 0
        ? html`<${Empty} title="Nothing has been configured yet"><p>The first vault makes version 1.</p><//>`
        : html`<ol class="versions">
            ${rows.map(
              ({ version, made_at, actor, action }) => html`<li key=${version}>
                <a href=${hrefOf(['history', String(version)])}>
                  <b class="version-number">v${version}</b>
                  <span class="what"><code>${action ?? 'made'}</code></span>
                  <span>${actor ?? 'nobody'}</span>
                  <time datetime=${made_at}>${made_at === null ? '' : timeText(made_at)}</time>
                  ${version === feed.position?.version && html`<span class="badge connected"><span aria-hidden="true">●</span> In force</span>`}
                </a>
              </li>`,
            )}
          </ol>
          ${more && html`<button type="button" onClick=${() => setPages(pages + 1)}>Older versions</button>`}`}
    <//>
    ${shown !== null && Number.isInteger(shown) && html`<${VersionDetail} key=${shown} api=${api} version=${shown} isCurrent=${shown === feed.position?.version} onClose=${() => go(['history'])} />`}
  </div>`;
}

/** The first pages of a list, and whether there are more. */
export async function firstPages<T>(api: AdminApi, path: string, pages: number): Promise<{ rows: T[]; more: boolean }> {
  const rows: T[] = [];
  let next: string | null = path;
  for (let page = 0; page < pages && next !== null; page++) {
    const answer: { data: T[]; next: string | null } = await api.get(next);
    rows.push(...answer.data);
    next = answer.next;
  }
  return { rows, more: next !== null };
}

interface VersionProps {
  api: AdminApi;
  version: number;
  isCurrent: boolean;
  onClose: () => void;
}

function VersionDetail({ api, version, isCurrent, onClose }: VersionProps): VNode {
  const [rollingBack, setRollingBack] = useState(false);
  const loaded = useLoaded(
    () => api.get<ConfigVersion & { changes: VaultDiff[] }>(`/config/versions/${version}`),
    String(version),
  );
  if (rollingBack)
    return html`<${Rollback} api=${api} version=${version} onClose=${() => setRollingBack(false)} onDone=${onClose} />`;
  return html`<${Modal} title=${`Version ${version}`} wide onClose=${onClose}>
    <${LoadedPart} of=${loaded}>${(detail: ConfigVersion & { changes: VaultDiff[] }) => html`
      <p>${detail.actor === null ? 'Before anything was configured' : html`By ${detail.actor}, ${timeText(detail.made_at!)}: <code>${detail.action}</code>`}</p>
      <${DiffView} changes=${detail.changes} />
      ${api.can('editor') && !isCurrent && html`<div class="actions"><button type="button" onClick=${() => setRollingBack(true)}>Go back to version ${version}…</button></div>`}
    `}<//>
  <//>`;
}

function Rollback({
  api,
  version,
  onClose,
  onDone,
}: {
  api: AdminApi;
  version: number;
  onClose: () => void;
  onDone: () => void;
}): VNode {
  const { busy, error, run } = useAction();
  const loaded = useLoaded(
    () => api.get<{ changes: VaultDiff[] }>(`/config/versions/${version}/diff`),
    String(version),
  );
  const rollBack = () =>
    run(async () => {
      await api.call('POST', `/config/versions/${version}/rollback`);
      onDone();
    });
  return html`<${Modal} title=${`Go back to version ${version}`} wide onClose=${onClose}>
    <p>This is what it changes of the configuration that is in force. It makes a new version; every data plane gets it within a second.</p>
    <${LoadedPart} of=${loaded}>${({ changes }: { changes: VaultDiff[] }) => html`
      <${DiffView} changes=${changes} />
      <p class="error" role="alert">${error}</p>
      <div class="actions">
        <button type="button" class="primary danger" disabled=${busy || changes.length === 0} onClick=${rollBack}>Change ${countedText(changes.length, 'vault')}</button>
        <button type="button" onClick=${onClose}>Cancel</button>
      </div>
    `}<//>
  <//>`;
}
