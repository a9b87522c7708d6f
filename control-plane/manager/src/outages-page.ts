import type { VNode } from 'preact';
import type { DataPlane, FleetReference, Vault } from './admin-api.ts';
import { DrillsPart } from './drills-part.ts';
import { useFleet } from './fleet-feed.ts';
import { html } from './html.ts';
import { LoadedPart, useLoaded } from './loading.ts';
import type { PageProps } from './page-props.ts';
import { hrefOf } from './route.ts';
import { agoText, countedText, countText, durationText } from './time-text.ts';

interface Outage {
  title: string;
  /** How bad: `down`: applications go without; `covered`: they are served what was held. */
  level: 'down' | 'covered';
  text: string;
  /** Seconds since 1970; null: not known. */
  since: number | null;
  details: readonly string[];
  href?: string;
}

interface Known {
  references: FleetReference[];
  vaults: Vault[];
}

export function OutagesPage({ api, feed }: PageProps): VNode {
  useFleet(feed);
  const loaded = useLoaded(
    async (): Promise<Known> => {
      const [references, vaults] = await Promise.all([
        api.all<FleetReference>('/clustering/references'),
        api.all<Vault>('/vaults'),
      ]);
      return { references, vaults };
    },
    'outages',
    { everyMs: 3000 },
  );
  return html`<div class="page">
    <div class="page-head"><h1>Outages</h1><p class="sub">What is down now, and what is served meanwhile</p></div>
    <${LoadedPart} of=${loaded}>${(known: Known) => {
      const outages = [
        ...controlPlaneOutages(feed.databaseReachable),
        ...dataPlaneOutages([...feed.rows.values()]),
        ...secretOutages(known),
      ].sort((a, b) => Number(b.level === 'down') - Number(a.level === 'down'));
      if (outages.length === 0 && feed.state === 'live') {
        return html`<div class="all-well card"><h2><span aria-hidden="true">●</span> Nothing is down</h2>
          <p>Every data plane is connected, and every secret in use is as its vault has it.</p></div>`;
      }
      return html`<ul class="cards outages">${outages.map(
        (outage) => html`<li key=${outage.title} class=${`card outage ${outage.level}`}>
          <h2><span class=${`badge ${outage.level === 'down' ? 'rejected' : 'behind'}`}><span aria-hidden="true">${outage.level === 'down' ? '✖' : '▲'}</span> ${outage.level === 'down' ? 'Down' : 'Covered'}</span> ${outage.title}</h2>
          <p>${outage.text}</p>
          ${outage.since !== null && html`<p class="dim">For ${durationText(Date.now() / 1000 - outage.since)}</p>`}
          ${outage.details.length > 0 && html`<ul class="plain-list">${outage.details.map((detail) => html`<li key=${detail}>${detail}</li>`)}</ul>`}
          ${outage.href && html`<p><a href=${outage.href}>Look at them</a></p>`}
        </li>`,
      )}</ul>`;
    }}<//>
    <${DrillsPart} api=${api} />
    <section class="card">
      <h2>What goes on when something is down</h2>
      <dl class="facts">
        <div><dt>The control plane</dt><dd>Applications notice nothing. A data plane that starts meanwhile starts from its own disk.</dd></div>
        <div><dt>AWS</dt><dd>Values that are held are served, as resurrected, for resurrect_ttl beyond their ttl.</dd></div>
        <div><dt>A data plane</dt><dd>Applications beside it wait for it to start again; the client package serves what is still fresh.</dd></div>
      </dl>
    </section>
  </div>`;
}

function controlPlaneOutages(databaseReachable: boolean): Outage[] {
  if (databaseReachable) return [];
  return [
    {
      ...{ title: 'The database of the control plane', level: 'covered', since: null, details: [] },
      text: 'It can not be reached. What is configured stays in force, on this control plane and on every data plane; nothing can be changed.',
    },
  ];
}

function dataPlaneOutages(rows: DataPlane[]): Outage[] {
  const outages: Outage[] = [];
  const gone = rows.filter(({ connected }) => !connected);
  if (gone.length > 0) {
    const first = Math.min(...gone.map(({ last_seen }) => last_seen));
    outages.push({
      ...{
        title: `${countedText(gone.length, 'data plane')} not connected`,
        level: 'covered',
        since: first,
        href: hrefOf(['fleet']),
      },
      text: 'Those that run serve the configuration and the values that they have. Whether they run, their own machines say.',
      details: gone.slice(0, 5).map(({ hostname, last_seen }) => `${hostname}, last seen ${agoText(last_seen)}`),
    });
  }
  const rejecting = rows.filter(
    ({ connected, sync_status, rejected_vaults }) =>
      connected && (sync_status === 'rejected' || rejected_vaults.length > 0),
  );
  if (rejecting.length > 0) {
    outages.push({
      ...{
        title: `${countedText(rejecting.length, 'data plane')} can not use all that is configured`,
        level: 'down',
        since: null,
        href: hrefOf(['fleet']),
      },
      text: 'References to these vaults fail there, but for what is held. A data plane may be of an older release, or its upstream_policy may lack a grant: its facts under Fleet show which.',
      details: [
        ...new Set(
          rejecting.flatMap(({ rejected_vaults }) =>
            rejected_vaults.map(({ prefix, reason }) => `${prefix}: ${reason}`),
          ),
        ),
      ].slice(0, 5),
    });
  }
  const now = Date.now() / 1000;
  const expiring = rows.filter(
    ({ connected, cert_expires_at: at }) => connected && at !== null && at - now < 30 * 86_400,
  );
  if (expiring.length > 0) {
    const first = Math.min(...expiring.map(({ cert_expires_at }) => cert_expires_at!));
    outages.push({
      ...{
        title: `Certificates of ${countedText(expiring.length, 'data plane')} run out`,
        level: first < now ? 'down' : 'covered',
        since: null,
        details: [],
      },
      text: `The first ${first < now ? 'has run out: that data plane can not come back once its link breaks' : `in ${durationText(first - now)}`}.`,
    });
  }
  return outages;
}

function secretOutages({ references, vaults }: Known): Outage[] {
  const now = Date.now() / 1000;
  const configs = new Map(vaults.map((vault) => [vault.prefix, vault.config]));
  const byVault = Map.groupBy(references, ({ vault }) => vault);
  const outages: Outage[] = [];
  for (const [vault, rows] of byVault) {
    const config = configs.get(vault) ?? {};
    const limit = Number(config.ttl ?? 0) + Number(config.resurrect_ttl ?? 100_000_000);
    const resurrected = rows.flatMap(({ servings }) => servings.filter(({ state }) => state === 'resurrected'));
    if (resurrected.length > 0) {
      const oldest = Math.max(...resurrected.map(({ oldest_age_s: age }) => age ?? 0));
      const secrets = rows.filter(({ servings }) => servings.some(({ state }) => state === 'resurrected'));
      outages.push({
        ...{
          title: `${vault}: ${countedText(secrets.length, 'secret')} resurrected`,
          level: 'covered',
          href: hrefOf(['references'], { vault }),
        },
        text: `The vault could not be asked, or refused. ${countText(Math.max(...resurrected.map(({ data_planes }) => data_planes)))} data planes serve the last known values; the oldest runs out in ${durationText(limit - oldest)}.`,
        since: now - Math.max(0, oldest - Number(config.ttl ?? 0)),
        details: secrets.slice(0, 5).map(({ reference }) => reference),
      });
    }
    const without = rows.filter(({ servings }) => servings.some(({ oldest_age_s: age }) => age === null));
    if (without.length > 0) {
      outages.push({
        ...{
          title: `${vault}: ${countedText(without.length, 'secret')} not to be had`,
          level: 'down',
          since: null,
          href: hrefOf(['references'], { vault }),
        },
        text: 'The vault says that they are not there, or not for these data planes.',
        details: without
          .slice(0, 5)
          .map(
            ({ reference, servings }) =>
              `${reference}: ${[...new Set(servings.filter(({ oldest_age_s: age }) => age === null).map(({ state }) => state))].join(', ')}`,
          ),
      });
    }
  }
  return outages;
}
