import { escapeHtml } from '../../html.ts';
import type { DrillReport } from './drill.ts';
import { FIGURES, figures } from './report-table.ts';
import type { DrillEvent } from './timeline.ts';
import { timelinePicture } from './timeline-picture.ts';

/** The reports as one page of HTML that needs nothing else: a table, and for each drill its picture and its story. */
export function reportPage(reports: readonly DrillReport[], begun: Date): string {
  const count = (outcome: DrillReport['outcome']) => reports.filter((report) => report.outcome === outcome).length;
  const sum = `${count('passed')} passed, ${count('failed')} failed, ${count('left out')} left out`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>vaultplane drills: ${sum}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>Rehearsed outages</h1>
<p>${sum}. Begun ${begun.toISOString().replace(/\.\d+Z$/, 'Z')}. Real processes, and applications that asked all the while.</p>
<ul class="legend">${LEGEND.map(([kind, text]) => `<li><span class="${kind}"></span>${text}</li>`).join('')}</ul>
</header>
<main>
<table>
<thead><tr><th>drill</th><th></th>${FIGURES.map((name) => `<th>${name}</th>`).join('')}</tr></thead>
<tbody>
${reports.map(summaryRow).join('\n')}
</tbody>
</table>
<p class="note">Lookups that the drill says must fail, such as while the data plane's process is down, are those in brackets.
“Stalest” is how long an application was still given a value that had been replaced in AWS.</p>
${reports.map(section).join('\n')}
</main>
</body>
</html>
`;
}

const LEGEND = [
  ['fresh', 'fresh'],
  ['stale', 'stale: being refreshed'],
  ['resurrected', 'resurrected: could not be refreshed'],
  ['excused', 'must fail'],
  ['failed', 'failed'],
  ['wrong', 'wrong'],
  ['connected', 'linked'],
  ['disconnected', 'no link'],
  ['down', 'process down'],
  ['outage', 'something is broken'],
] as const;

function badge({ outcome }: DrillReport): string {
  return `<span class="badge ${outcome.replace(' ', '-')}">${outcome}</span>`;
}

function summaryRow(report: DrillReport): string {
  const cells = figures(report).map((figure) => `<td>${figure}</td>`);
  return `<tr><th><a href="#${report.drill}">${report.drill}</a></th><td>${badge(report)}</td>${cells.join('')}</tr>`;
}

function section(report: DrillReport): string {
  const { drill, breaks, holds, reason, timeline, events } = report;
  return `<section id="${drill}">
<h2>${drill} ${badge(report)}</h2>
<dl><dt>What is broken</dt><dd>${escapeHtml(breaks)}</dd><dt>What must hold</dt><dd>${escapeHtml(holds)}</dd></dl>
${reason === undefined ? '' : `<p class="reason">${escapeHtml(reason)}</p>`}
${timeline ? `<figure>${timelinePicture(timeline, events)}</figure>` : ''}
<ol>${events.map(eventItem).join('')}</ol>
</section>`;
}

function eventItem({ atMs, kind, text }: DrillEvent): string {
  return `<li class="${kind}"><time>${(atMs / 1000).toFixed(1)} s</time> ${KIND_WORDS[kind]}${escapeHtml(text)}</li>`;
}

const KIND_WORDS: Record<DrillEvent['kind'], string> = {
  step: '',
  breaks: '<b>broken:</b> ',
  mends: '<b>mended:</b> ',
  saw: 'seen: ',
  held: '<i>held:</i> ',
  failed: '<b>failed:</b> ',
};

const STYLE = `
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1c2330; background: #fff }
body { max-width: 1120px; margin: 0 auto; padding: 24px }
h1 { margin: 0 } h2 { margin: 0 0 8px; font-size: 19px }
header p { margin: 4px 0 10px; color: #556 }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; padding: 0; margin: 0 0 18px; font-size: 13px }
.legend span { display: inline-block; width: 14px; height: 11px; margin-right: 5px; border-radius: 2px; vertical-align: -1px }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: 4px 8px; border-bottom: 1px solid #e4e7ee; white-space: nowrap }
tbody th, thead th:first-child { text-align: left; font-weight: 500 } thead th { color: #556; font-weight: 500 }
a { color: #1f5fbf; text-decoration: none }
.note { color: #556; font-size: 13px }
section { border-top: 2px solid #e4e7ee; padding: 20px 0 6px; margin-top: 20px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 0 0 10px } dt { color: #556 } dd { margin: 0 }
figure { margin: 12px 0; overflow-x: auto } svg { width: 100%; min-width: 760px; display: block }
ol { font-size: 13px; columns: 2; column-gap: 32px; padding-left: 26px } li { break-inside: avoid; padding: 1px 0 } time { color: #778; font-variant-numeric: tabular-nums }
li.breaks b, li.failed b { color: #b3261e } li.mends b { color: #1a7f4b } li i { color: #1a7f4b; font-style: normal } .legend li { padding: 0 }
.badge { font-size: 12px; font-weight: 600; padding: 1px 8px; border-radius: 9px; vertical-align: 2px; color: #fff }
.badge.passed { background: #1a7f4b } .badge.failed { background: #b3261e } .badge.left-out { background: #8a93a5 }
.reason { color: #b3261e; font-weight: 500 }
.fresh { fill: #2a9d6f; background: #2a9d6f } .stale { fill: #a5d46a; background: #a5d46a } .resurrected { fill: #efb02c; background: #efb02c }
rect.failed, span.failed:not(.badge) { fill: #d1342b; background: #d1342b } .excused { fill: #b9a3a0; background: #b9a3a0 } .wrong { fill: #7b1fa2; background: #7b1fa2 }
.connected { fill: #5b8fd9; background: #5b8fd9 } .disconnected { fill: #d5dbe6; background: #d5dbe6 } .down { fill: #4a5060; background: #4a5060 }
.outage { fill: #fde4e1; background: #fde4e1 } .calls { fill: #6f7b91 } .axis { stroke: #aab2c2 }
svg text { font: 11px system-ui, sans-serif; fill: #333c4d } .label { text-anchor: end } .tick { text-anchor: middle; fill: #778 }
.mark circle { fill: #1a7f4b } .mark line { stroke: #1a7f4b } .mark.breaks circle, .mark.failed circle { fill: #b3261e } .mark.breaks line, .mark.failed line { stroke: #b3261e }
svg .mark text { text-anchor: middle; fill: #fff; font-size: 10px; font-weight: 600 }
`;
