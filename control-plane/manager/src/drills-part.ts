import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AdminApi, DrillReport } from './admin-api.ts';
import { html } from './html.ts';
import { Empty, LoadedPart, useLoaded } from './loading.ts';
import { agoText, countText, durationText, timeText } from './time-text.ts';

/** As many as `npm run drill -- --all` plays, and some. */
const SHOWN = 30;
const COLUMNS = ['Result', 'Outage', 'When', 'Lookups', 'Wrong answers', 'Longest gap', 'Stalest', 'Where'];

/** The last rehearsals of outages, as whoever played them told. */
export function DrillsPart({ api }: { api: AdminApi }): VNode {
  const [all, setAll] = useState(false);
  const loaded = useLoaded(async () => (await api.get<{ data: DrillReport[] }>('/drills')).data, 'drills', {
    everyMs: 30_000,
  });
  return html`<section class="drills" aria-labelledby="drills-title">
    <h2 id="drills-title">Rehearsed</h2>
    <${LoadedPart} of=${loaded} rows=${3}>${(drills: DrillReport[]) =>
      drills.length === 0
        ? html`<${Empty} title="No outage has been rehearsed yet">
            <p>On a machine with a data plane, while its applications ask: <code>vaultplane-dp drill aws-outage --for 10m --report-to ${location.origin}</code></p>
          <//>`
        : html`<p class="sub">${summaryOf(drills)}</p>
          <div class="scroll-x card flush" tabindex="0" role="region" aria-label="Rehearsed outages, scrollable"><table class="plain">
            <thead><tr>${COLUMNS.map((title) => html`<th scope="col" key=${title}>${title}</th>`)}</tr></thead>
            <tbody>${drills.slice(0, all ? undefined : SHOWN).map((drill) => html`<${DrillRow} key=${drill.id} drill=${drill} />`)}</tbody>
          </table></div>
          ${!all && drills.length > SHOWN && html`<button type="button" onClick=${() => setAll(true)}>All ${drills.length}</button>`}`}
    <//>
  </section>`;
}

function DrillRow({ drill }: { drill: DrillReport }): VNode {
  const { passed, problems, wrong_answers: wrong } = drill;
  const seconds = (Date.parse(drill.ended_at) - Date.parse(drill.started_at)) / 1000;
  return html`<tr>
    <td><span class=${`badge ${passed ? 'connected' : 'rejected'}`}><span aria-hidden="true">${passed ? '●' : '✖'}</span> ${passed ? 'Passed' : 'Failed'}</span></td>
    <td class="drill"><code>${drill.name}</code>${problems.length > 0 && html`<ul class="plain-list">${problems.map((problem) => html`<li key=${problem}>${problem}</li>`)}</ul>`}</td>
    <td><time datetime=${drill.ended_at} title=${timeText(drill.ended_at)}>${agoText(Date.parse(drill.ended_at) / 1000)}</time><br /><small>for ${durationText(seconds)}</small></td>
    <td>${figure(drill.lookups, countText)}</td>
    <td class=${wrong ? 'warning-text' : ''}>${figure(wrong, countText)}</td>
    <td>${figure(drill.longest_gap_ms, millisecondsText)}</td>
    <td>${figure(drill.longest_staleness_ms, millisecondsText)}</td>
    <td>${drill.host ?? ''}<br /><small>${drill.actor}</small></td>
  </tr>`;
}

function figure(value: number | null, text: (value: number) => string): VNode | string {
  return value === null ? html`<span class="dim" title="This kind of drill does not measure it">–</span>` : text(value);
}

function millisecondsText(milliseconds: number): string {
  return milliseconds < 1000 ? `${countText(milliseconds)} ms` : durationText(milliseconds / 1000);
}

function summaryOf(drills: DrillReport[]): string {
  // The last of each kind is what holds today.
  const last = [...Map.groupBy(drills, ({ name }) => name).values()].map(([newest]) => newest!);
  const failed = last.filter(({ passed }) => !passed);
  if (failed.length === 0) return `The last rehearsal of each of ${countText(last.length)} passed`;
  return `Of ${countText(last.length)}, the last rehearsal of ${failed.map(({ name }) => name).join(', ')} failed`;
}
