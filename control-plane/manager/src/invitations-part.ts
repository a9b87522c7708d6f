import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { useAction } from './action.ts';
import type { AdminApi } from './admin-api.ts';
import { CopyButton } from './copy-button.ts';
import { html } from './html.ts';
import { LoadedPart, useLoaded } from './loading.ts';
import { Modal } from './modal.ts';
import { timeText } from './time-text.ts';

interface Invitation {
  id: string;
  name: string | null;
  labels: Record<string, string>;
  uses: number | null;
  used: number;
  created_by: string;
  expires_at: string | null;
  revoked_at: string | null;
}

const RELOAD_MS = 5000;
/** As the API has it (new-invitation.ts). */
const MAX_USES = 1_000_000;

/** Invitations by which data planes join: a token is shown once, to be copied. */
export function Invitations({ api }: { api: AdminApi }): VNode {
  const loaded = useLoaded(() => api.get<{ data: Invitation[] }>('/nodes/invitations'), 'invitations', {
    everyMs: RELOAD_MS,
  });
  const [inviting, setInviting] = useState(false);
  const close = () => {
    setInviting(false);
    void loaded.reload();
  };
  return html`<section class="card">
    <h2>Invitations</h2>
    <p>A machine joins with the token of an invitation: <code>vaultplane-dp join HOST:PORT --token-file FILE</code></p>
    <div class="actions"><button type="button" class="primary" onClick=${() => setInviting(true)}>Invite…</button></div>
    <${LoadedPart} of=${loaded} rows=${2}>${({ data }: { data: Invitation[] }) =>
      data.length > 0 &&
      html`<div class="scroll-x" tabindex="0" role="region" aria-label="Invitations, scrollable"><table class="plain">
        <thead><tr>${['Id', 'Name', 'Used', 'Until', 'By', 'Actions'].map((title) => html`<th scope="col" key=${title}>${title}</th>`)}</tr></thead>
        <tbody>${data.map((row) => html`<${Row} key=${row.id} api=${api} row=${row} onDone=${loaded.reload} />`)}</tbody>
      </table></div>`}
    <//>
    ${inviting && html`<${Invite} api=${api} onClose=${close} />`}
  </section>`;
}

function Row({ api, row, onDone }: { api: AdminApi; row: Invitation; onDone: () => Promise<void> }): VNode {
  const { busy, error, run } = useAction();
  const revoke = () =>
    run(async () => {
      await api.call('DELETE', `/nodes/invitations/${encodeURIComponent(row.id)}`);
      await onDone();
    });
  return html`<tr>
    <td><code>${row.id}</code></td>
    <td>${row.name ?? ''}</td>
    <td>${row.used} of ${row.uses ?? 'any number'}</td>
    <td>${row.revoked_at ? 'revoked' : row.expires_at === null ? 'for ever' : timeText(row.expires_at)}</td>
    <td>${row.created_by}</td>
    <td>${!row.revoked_at && html`<button type="button" class="quiet" aria-label=${`Revoke invitation ${row.id}`} disabled=${busy} onClick=${revoke}>Revoke</button>`}
      <span class="error" role="alert">${error}</span></td>
  </tr>`;
}

const HOURS = [1, 24, 168] as const;

function Invite({ api, onClose }: { api: AdminApi; onClose: () => void }): VNode {
  const [token, setToken] = useState<string | null>(null);
  const shown = useRef<HTMLPreElement>(null);
  const { busy, error, run } = useAction();
  const submit = async (event: Event) => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    const name = String(data.get('name') ?? '').trim();
    await run(async () => {
      const made = await api.call<{ token: string }>('POST', '/nodes/invitations', {
        ...(name !== '' && { name }),
        uses: Number(data.get('uses')),
        ttl: Number(data.get('hours')) * 3600,
      });
      setToken(made.token);
    });
  };
  if (token !== null) {
    return html`<${Modal} title="The token" onClose=${onClose}>
      <p>Copy it now: it is shown this once.</p>
      <pre ref=${shown}>${token}</pre>
      <div class="actions">
        <${CopyButton} text=${token} shownIn=${shown} primary />
        <button type="button" onClick=${onClose}>Done</button>
      </div>
    <//>`;
  }
  return html`<${Modal} title="Invite data planes" onClose=${onClose}>
    <form onSubmit=${submit}>
      <div class="field"><label for="invite-name">Name of the node</label><input id="invite-name" name="name" maxlength="100" /></div>
      <div class="field"><label for="invite-uses">How many may join</label><input id="invite-uses" name="uses" type="number" min="1" max=${MAX_USES} defaultValue="1" required /></div>
      <div class="field"><label for="invite-hours">For how long</label>
        <select id="invite-hours" name="hours">${HOURS.map((hours) => html`<option key=${hours} value=${hours}>${hours === 1 ? '1 hour' : `${hours} hours`}</option>`)}</select>
      </div>
      <p class="error" role="alert">${error}</p>
      <div class="actions">
        <button type="submit" class="primary" disabled=${busy}>Make a token</button>
        <button type="button" onClick=${onClose}>Cancel</button>
      </div>
    </form>
  <//>`;
}
