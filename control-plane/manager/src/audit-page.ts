import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AuditRequest } from './admin-api.ts';
import { useFleet } from './fleet-feed.ts';
import { firstPages } from './history-page.ts';
import { html } from './html.ts';
import { Empty, LoadedPart, useLoaded } from './loading.ts';
import type { PageProps } from './page-props.ts';
import { go, hrefOf } from './route.ts';
import { timeText } from './time-text.ts';

const FIELDS = [
  ['actor', 'Who', 'token 1, admin_token, local'],
  ['method', 'Method', 'PUT'],
  ['path', 'Path begins with', '/vaults/aws'],
  ['status', 'Status', '200'],
  ['client_ip', 'Address', '10.0.0.7'],
  ['since', 'Since', '2026-11-24'],
  ['until', 'Until', '2026-11-25T12:00:00Z'],
] as const;

export function AuditPage({ api, feed, route }: PageProps): VNode {
  useFleet(feed);
  const [pages, setPages] = useState(1);
  const filter = new URLSearchParams(
    FIELDS.flatMap(([name]) => {
      const value = route.query.get(name);
      return value ? [[name, value]] : [];
    }),
  );
  const path = `/audit/requests?size=100&${filter}`;
  const loaded = useLoaded(() => firstPages<AuditRequest>(api, path, pages), path, {
    anewFor: `${pages} ${feed.position?.version ?? ''}`,
  });
  const submit = (event: Event) => {
    event.preventDefault();
    setPages(1);
    const data = new FormData(event.target as HTMLFormElement);
    go(
      ['audit'],
      Object.fromEntries([...data].flatMap(([name, value]) => (value === '' ? [] : [[name, String(value).trim()]]))),
    );
  };
  return html`<div class="page">
    <div class="page-head"><h1>Audit</h1><p class="sub">Every write, and every one that was refused</p></div>
    <form class="filters card" onSubmit=${submit} key=${filter.toString()}>
      ${FIELDS.map(
        ([name, title, hint]) => html`<div class="field" key=${name}>
          <label for=${`audit-${name}`}>${title}</label>
          <input id=${`audit-${name}`} name=${name} placeholder=${hint} defaultValue=${filter.get(name) ?? ''} spellcheck=${false} />
        </div>`,
      )}
      <div class="actions"><button type="submit" class="primary">Filter</button>${filter.size > 0 && html`<a class="button" href=${hrefOf(['audit'])}>All</a>`}</div>
    </form>
    <${LoadedPart} of=${loaded} rows=${10}>${({ rows, more }: { rows: AuditRequest[]; more: boolean }) =>
      rows.length === 0
        ? html`<${Empty} title="No entry is like that" />`
        : html`<div class="scroll-x card flush" tabindex="0" role="region" aria-label="Audit log, scrollable"><table class="plain">
              <thead><tr>${['When', 'Who', 'What', 'Status', 'Version', 'From', 'Request'].map((title) => html`<th scope="col" key=${title}>${title}</th>`)}</tr></thead>
              <tbody>${rows.map(
                (row) => html`<tr key=${row.id}>
                  <td><time datetime=${row.at}>${timeText(row.at)}</time></td>
                  <td>${row.actor}${row.role && html` <small>${row.role}</small>`}</td>
                  <td><code>${row.method} ${row.path}</code>${row.detail && html` <small>${row.detail}</small>`}</td>
                  <td>${row.status === null ? '' : html`<span class=${`badge ${row.status < 400 ? 'connected' : 'rejected'}`}><span aria-hidden="true">${row.status < 400 ? '●' : '✖'}</span> ${row.status}</span>`}</td>
                  <td>${row.version_after > row.version_before ? html`<a href=${hrefOf(['history', String(row.version_after)])}>v${row.version_after}</a>` : html`<span class="dim">no change</span>`}</td>
                  <td>${row.remote_address ?? 'this machine'}</td>
                  <td><code class="dim">${row.request_id ?? ''}</code></td>
                </tr>`,
              )}</tbody>
            </table></div>
            ${more && html`<button type="button" onClick=${() => setPages(pages + 1)}>Older entries</button>`}`}
    <//>
  </div>`;
}
