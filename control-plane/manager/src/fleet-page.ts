import type { VNode } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { DataPlane } from './admin-api.ts';
import type { ChartLine } from './chart.ts';
import { type FleetFeed, useFleet } from './fleet-feed.ts';
import { html } from './html.ts';
import { Empty } from './loading.ts';
import { Modal } from './modal.ts';
import type { PageProps } from './page-props.ts';
import { agoText, countText, durationText, timeText } from './time-text.ts';
import { useNarrow, VirtualRows } from './virtual-rows.ts';

type Condition = 'all' | 'connected' | 'behind' | 'rejected' | 'gone';

/** What a data plane is at a glance: a sign, words and a colour, never the colour alone. */
export function conditionOf(
  feed: FleetFeed,
  row: DataPlane,
): { name: Exclude<Condition, 'all'>; icon: string; text: string } {
  if (!row.connected) return { name: 'gone', icon: '○', text: 'Not connected' };
  if (row.sync_status === 'rejected' || row.rejected_vaults.length > 0)
    return { name: 'rejected', icon: '✖', text: 'Rejects' };
  if (feed.isBehind(row)) return { name: 'behind', icon: '▲', text: 'Behind' };
  return { name: 'connected', icon: '●', text: 'Connected' };
}

const FILTERS: ReadonlyArray<readonly [Condition, string]> = [
  ['all', 'All'],
  ['connected', 'Connected'],
  ['behind', 'Behind'],
  ['rejected', 'Rejecting'],
  ['gone', 'Not connected'],
];

export function FleetPage({ feed }: PageProps): VNode {
  const turn = useFleet(feed);
  const narrow = useNarrow();
  const [search, setSearch] = useState('');
  const [filter, setFilter] = useState<Condition>('all');
  const [shown, setShown] = useState<string | null>(null);
  const { counts, rows } = useMemo(() => {
    const needle = search.trim().toLowerCase();
    const found: DataPlane[] = [];
    const tally: Record<Condition, number> = { all: 0, connected: 0, behind: 0, rejected: 0, gone: 0 };
    for (const row of feed.rows.values()) {
      const { name } = conditionOf(feed, row);
      tally.all++;
      tally[name]++;
      if ((filter === 'all' || filter === name) && (needle === '' || textOf(row).includes(needle))) found.push(row);
    }
    return {
      counts: tally,
      rows: found.sort(
        (a, b) => a.hostname.localeCompare(b.hostname, undefined, { numeric: true }) || (a.id < b.id ? -1 : 1),
      ),
    };
  }, [turn, search, filter]);
  const detail = shown === null ? undefined : feed.rows.get(shown);
  if (feed.rows.size === 0 && feed.state !== 'connecting') {
    return html`<h1>Fleet</h1><${Empty} title="No data plane has been here yet">
      <p>One that is given this control plane's address and certificate shows itself here within a second:</p>
      <pre>VAULTPLANE_CLUSTER_CONTROL_PLANE=${location.hostname}:8005 vaultplane-dp start</pre>
    <//>`;
  }
  return html`<div class="page fleet">
    <div class="page-head">
      <h1>Fleet</h1>
      <p class="sub">${feed.position ? html`Configuration version <b>${feed.position.version}</b>` : 'Loading…'}</p>
    </div>
    <div class="tiles">
      ${FILTERS.map(
        ([
          name,
          title,
        ]) => html`<button type="button" key=${name} class=${`tile ${name}`} aria-pressed=${filter === name} onClick=${() => setFilter(name)}>
          <span class="tile-count">${countText(counts[name])}</span><span class="tile-title">${title}</span>
        </button>`,
      )}
    </div>
    <div class="charts">
      <${FleetChart} feed=${feed} title="Data planes" lines=${LINK_LINES} />
      <${FleetChart} feed=${feed} title="Secrets held, over all data planes" lines=${STATE_LINES} />
    </div>
    <div class="toolbar">
      <label class="search"><span class="visually-hidden">Search data planes</span>
        <input type="search" placeholder="Host, id, address, version, label" value=${search} onInput=${(event: Event) => setSearch((event.target as HTMLInputElement).value)} />
      </label>
      <p role="status">${countText(rows.length)} of ${countText(counts.all)} shown</p>
    </div>
    ${
      rows.length === 0 && feed.state !== 'connecting'
        ? html`<${Empty} title="No data plane is like that"><p>Other words, or another filter, may find it.</p><//>`
        : html`<${VirtualRows}
          label="Data planes" className="fleet-rows" rows=${rows} keyOf=${(row: DataPlane) => row.id} rowHeight=${narrow ? 116 : 44}
          columns=${['Host', 'State', 'Config', 'Last seen', 'Certificate', 'Secrets', 'Version']}
          cells=${(row: DataPlane) => html`<${Cells} feed=${feed} row=${row} onShow=${() => setShown(row.id)} />`}
        />`
    }
    ${detail && html`<${Detail} feed=${feed} row=${detail} onClose=${() => setShown(null)} />`}
  </div>`;
}

function Cells({ feed, row, onShow }: { feed: FleetFeed; row: DataPlane; onShow: () => void }): VNode {
  const { name, icon, text } = conditionOf(feed, row);
  return html`
    <span role="cell" class="host"><button type="button" class="link" onClick=${onShow}>${row.hostname}</button><small>${row.ip ?? ''}</small></span>
    <span role="cell"><span class=${`badge ${name}`}><span aria-hidden="true">${icon}</span> ${text}</span></span>
    <span role="cell" class="config">${lagText(feed, row)}</span>
    <span role="cell" class="seen">${row.connected ? 'now' : agoText(row.last_seen)}</span>
    <span role="cell" class="certificate"><${Certificate} at=${row.cert_expires_at} /></span>
    <span role="cell" class="counts"><${Counts} row=${row} /></span>
    <span role="cell" class="version">${row.version}</span>
  `;
}

function lagText(feed: FleetFeed, { config_version: version, config_timeline: timeline }: DataPlane): string {
  if (version === null) return 'none yet';
  if (!feed.position || timeline !== feed.position.timeline) return `v${version}`;
  const lag = feed.position.version - version;
  return lag > 0 ? `v${version}, ${lag} behind` : `v${version}`;
}

function Certificate({ at }: { at: number | null }): VNode {
  if (at === null) return html`<span class="dim">unknown</span>`;
  const left = at - Date.now() / 1000;
  const warn = left < 30 * 86_400;
  return html`<span class=${warn ? 'warning-text' : ''} title=${timeText(at)}>${warn && html`<span aria-hidden="true">▲ </span>`}${left < 0 ? 'expired' : durationText(left)}</span>`;
}

const STATES = [
  ['fresh', '●', 'fresh'],
  ['stale', '◐', 'stale'],
  ['resurrected', '▲', 'resurrected'],
  ['negative', '–', 'missing'],
] as const;

function Counts({ row }: { row: DataPlane }): VNode {
  const counts = row.references;
  if (!counts) return html`<span class="dim">unknown</span>`;
  return html`${STATES.map(
    ([
      name,
      icon,
      title,
    ]) => html`<span key=${name} class=${`count ${name} ${counts[name] === 0 ? 'zero' : ''}`} title=${title}>
      <span aria-hidden="true">${icon}</span> ${countText(counts[name])}<span class="visually-hidden"> ${title}, </span>
    </span>`,
  )}`;
}

function textOf({ hostname, id, ip, version, labels }: DataPlane): string {
  return `${hostname} ${id} ${ip ?? ''} ${version} ${Object.entries(labels).flat().join(' ')}`.toLowerCase();
}

function Detail({ feed, row, onClose }: { feed: FleetFeed; row: DataPlane; onClose: () => void }): VNode {
  const { icon, text, name } = conditionOf(feed, row);
  const facts: Array<[string, unknown]> = [
    ['State', html`<span class=${`badge ${name}`}><span aria-hidden="true">${icon}</span> ${text}</span>`],
    ['Configuration', lagText(feed, row)],
    [row.connected ? 'Connected since' : 'Last seen', timeText(row.connected ? row.connected_at : row.last_seen)],
    ['Certificate', row.cert_expires_at === null ? 'unknown' : `until ${timeText(row.cert_expires_at)}`],
    ['Secrets', html`<${Counts} row=${row} />`],
    ['Address', row.ip ?? 'unknown'],
    ['Release', row.version],
    ['Control plane', html`<code>${row.control_plane_id}</code>`],
    ['Id', html`<code>${row.id}</code>`],
    ...Object.entries(row.labels).map(([label, value]): [string, unknown] => [`Label ${label}`, value]),
  ];
  return html`<${Modal} title=${row.hostname} onClose=${onClose}>
    <dl class="facts">${facts.map(([title, value]) => html`<div key=${title}><dt>${title}</dt><dd>${value}</dd></div>`)}</dl>
    ${
      row.rejected_vaults.length > 0 &&
      html`<h3>Vaults that it does not use</h3>
      <ul>${row.rejected_vaults.map(
        ({ prefix, reason, grant }) => html`<li key=${prefix}>
          <code>${prefix}</code>: ${reason}
          ${grant !== undefined && html`<p>If it should be used, add this to the grants of <code>upstream_policy</code> on that machine:</p><pre>${grant}</pre>`}
        </li>`,
      )}</ul>`
    }
  <//>`;
}

const LINK_LINES: readonly ChartLine[] = [
  { label: 'connected', member: 'connected', colour: '--accent' },
  { label: 'behind', member: 'behind', colour: '--warn', dash: [6, 4] },
];
const STATE_LINES: readonly ChartLine[] = [
  { label: 'fresh', member: 'fresh', colour: '--good' },
  { label: 'stale', member: 'stale', colour: '--accent', dash: [2, 3] },
  { label: 'resurrected', member: 'resurrected', colour: '--warn', dash: [6, 4] },
  { label: 'missing', member: 'negative', colour: '--bad', dash: [10, 3, 2, 3] },
];

function FleetChart({ feed, title, lines }: { feed: FleetFeed; title: string; lines: readonly ChartLine[] }): VNode {
  const element = useRef<HTMLDivElement>(null);
  const turn = useFleet(feed);
  const chart = useRef<{ show: (samples: FleetFeed['samples']) => void; stop: () => void } | null>(null);
  useEffect(() => {
    let gone = false;
    // What draws it is the largest part of the page, and not what one came to see first.
    void import('./chart.ts').then(({ Chart }) => {
      if (gone || !element.current) return;
      chart.current = new Chart(element.current, lines);
      chart.current.show([...feed.samples]);
    });
    return () => {
      gone = true;
      chart.current?.stop();
    };
  }, []);
  useEffect(() => chart.current?.show([...feed.samples]), [turn]);
  const last = feed.samples.at(-1);
  return html`<figure class="card chart">
    <figcaption>
      <b>${title}</b>
      <span class="legend">${lines.map(
        ({ label, member, colour, dash }) =>
          html`<span key=${label}><span class=${`swatch ${dash ? 'dashed' : ''}`} style=${{ borderColor: `var(${colour})` }} aria-hidden="true"></span>${label} <b>${last ? countText(last[member]) : '–'}</b></span>`,
      )}</span>
    </figcaption>
    <div class="plot" ref=${element} aria-hidden="true"></div>
  </figure>`;
}
