import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { useAction } from './action.ts';
import type { AdminApi } from './admin-api.ts';
import { html } from './html.ts';
import { Invitations } from './invitations-part.ts';
import { Empty, LoadedPart, useLoaded } from './loading.ts';
import { Modal } from './modal.ts';
import type { PageProps } from './page-props.ts';
import { countText, timeText } from './time-text.ts';

interface Node {
  id: string;
  name: string | null;
  labels: Record<string, string>;
  enrolled: boolean;
  hostname: string | null;
  common_name: string | null;
  connected: boolean;
  last_seen: string | null;
  revoked_at: string | null;
  certificate_expires_at: string | null;
}

type Action = 'rename' | 'revoke' | 'remove';

const RELOAD_MS = 5000;
/** Of more, a search finds the others. */
const MAX_SHOWN = 200;

/** The nodes by who they are: an admin lets them in, and shuts them out. */
export function NodesPage({ api }: PageProps): VNode {
  const loaded = useLoaded(() => api.get<{ data: Node[] }>('/nodes'), 'nodes', { everyMs: RELOAD_MS });
  const [search, setSearch] = useState('');
  const [doing, setDoing] = useState<{ action: Action; node: Node } | null>(null);
  const done = () => {
    setDoing(null);
    void loaded.reload();
  };
  return html`<div class="page">
    <div class="page-head"><h1>Nodes</h1><p class="sub">Who may have a link, and with what it shows who it is</p></div>
    <div class="toolbar">
      <label class="search"><span class="visually-hidden">Search nodes</span>
        <input type="search" placeholder="Name, id, common name, label" value=${search} onInput=${(event: Event) => setSearch((event.target as HTMLInputElement).value)} />
      </label>
    </div>
    <${LoadedPart} of=${loaded} rows=${6}>${({ data }: { data: Node[] }) => {
      const needle = search.trim().toLowerCase();
      const found = data.filter((node) => needle === '' || textOf(node).includes(needle));
      if (found.length === 0)
        return html`<${Empty} title=${data.length === 0 ? 'No node has been here yet' : 'No node is like that'} />`;
      return html`<p role="status">${countText(Math.min(found.length, MAX_SHOWN))} of ${countText(data.length)} shown</p>
        <div class="scroll-x card flush" tabindex="0" role="region" aria-label="Nodes, scrollable"><table class="plain">
          <thead><tr>${['Name', 'State', 'Identity', 'Certificate until', 'Last seen', 'Id', 'Actions'].map((title) => html`<th scope="col" key=${title}>${title}</th>`)}</tr></thead>
          <tbody>${found.slice(0, MAX_SHOWN).map((node) => html`<${Row} key=${node.id} api=${api} node=${node} onDo=${(action: Action) => setDoing({ action, node })} />`)}</tbody>
        </table></div>`;
    }}
    <//>
    ${api.can('admin') && html`<${Invitations} api=${api} />`}
    ${doing && html`<${Doing} api=${api} ...${doing} onClose=${() => setDoing(null)} onDone=${done} />`}
  </div>`;
}

function Row({ api, node, onDo }: { api: AdminApi; node: Node; onDo: (action: Action) => void }): VNode {
  const [state, icon, text] = node.revoked_at
    ? ['rejected', '✖', 'Revoked']
    : node.connected
      ? ['connected', '●', 'Connected']
      : ['gone', '○', 'Not connected'];
  const identity = node.enrolled
    ? 'Joined'
    : node.common_name === null
      ? html`<span class="dim">its id</span>`
      : `Certificate of ${node.common_name}`;
  const button = (action: Action, title: string) =>
    html`<button type="button" class="quiet" aria-label=${`${title} ${titleOf(node)}`} onClick=${() => onDo(action)}>${title}</button>`;
  return html`<tr>
    <td>${titleOf(node)}</td>
    <td><span class=${`badge ${state}`}><span aria-hidden="true">${icon}</span> ${text}</span></td>
    <td>${identity}</td>
    <td>${node.certificate_expires_at === null ? html`<span class="dim">unknown</span>` : timeText(node.certificate_expires_at)}</td>
    <td>${node.connected ? 'now' : node.last_seen === null ? html`<span class="dim">never</span>` : timeText(node.last_seen)}</td>
    <td><code class="dim">${node.id}</code></td>
    <td>${api.can('admin') && html`${node.enrolled && button('rename', 'Rename')}${node.enrolled && !node.revoked_at && button('revoke', 'Revoke')}${button('remove', 'Remove')}`}</td>
  </tr>`;
}

const WORDS: Record<Action, { title: string; text: string }> = {
  rename: { title: 'Rename', text: 'The name is for people. It is not in the certificate.' },
  revoke: {
    title: 'Revoke',
    text: 'Its links end within seconds, and it is let in no more. Applications there go on with what it holds. To come back it has to join again.',
  },
  remove: {
    title: 'Remove',
    text: 'The node is forgotten. One that has joined is let in no more; any other comes back as a new one if it still has a certificate that is accepted.',
  },
};

function Doing({
  api,
  action,
  node,
  onClose,
  onDone,
}: {
  api: AdminApi;
  action: Action;
  node: Node;
  onClose: () => void;
  onDone: () => void;
}): VNode {
  const [name, setName] = useState(node.name ?? '');
  const { busy, error, run } = useAction();
  const { title, text } = WORDS[action];
  const submit = async (event: Event) => {
    event.preventDefault();
    await run(async () => {
      const path = `/nodes/${node.id}`;
      if (action === 'rename') await api.call('PATCH', path, { name: name.trim() === '' ? null : name.trim() });
      else if (action === 'revoke') await api.call('POST', `${path}/revoke`);
      else await api.call('DELETE', path);
      onDone();
    });
  };
  return html`<${Modal} title=${`${title} ${titleOf(node)}`} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>${text}</p>
      ${
        action === 'rename' &&
        html`<div class="field"><label for="node-name">Name</label>
        <input id="node-name" value=${name} maxlength="100" onInput=${(event: Event) => setName((event.target as HTMLInputElement).value)} /></div>`
      }
      <p class="error" role="alert">${error}</p>
      <div class="actions">
        <button type="submit" class=${action === 'rename' ? 'primary' : 'primary danger'} disabled=${busy}>${title}</button>
        <button type="button" onClick=${onClose}>Cancel</button>
      </div>
    </form>
  <//>`;
}

function titleOf({ name, hostname, id }: Node): string {
  return name ?? hostname ?? id;
}

function textOf({ id, name, hostname, common_name, labels }: Node): string {
  return [id, name, hostname, common_name, ...Object.entries(labels).flat()].join(' ').toLowerCase();
}
