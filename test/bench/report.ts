import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform } from 'node:os';
import { join } from 'node:path';
import { escapeHtml } from '../html.ts';
import type { Benchmark, Row, Spread, Target } from './benchmark.ts';

/** One run of benchmarks. */
export interface Report {
  /** ISO 8601. */
  at: string;
  rounds: number;
  rows: Row[];
  leftOut: string[];
  failed: string[];
  stopped: boolean;
}

const HEAD = ['case', 'figure', 'vaultplane (min–max)', 'baseline (min–max)', 'ratio', 'target', ''];

export function printTable(out: NodeJS.WritableStream, benchmark: Benchmark, rows: readonly Row[]): void {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  out.write(`\n${benchmark.name}: ${benchmark.title}\n`);
  for (const line of lines) {
    out.write(
      `  ${line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}

/** results.json, and index.html with a plot of every figure; overwrites those of an earlier run. @returns their paths */
export function writeReport(folder: string, report: Report, benchmarks: readonly Benchmark[]): string[] {
  mkdirSync(folder, { recursive: true });
  const json = join(folder, 'results.json');
  const page = join(folder, 'index.html');
  writeFileSync(json, `${JSON.stringify({ machine: machine(), ...report }, null, 2)}\n`);
  writeFileSync(page, htmlPage(report, benchmarks));
  return [json, page];
}

function machine() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    platform: platform(),
    arch: arch(),
    node: process.version,
  };
}

function cells(row: Row): string[] {
  return [
    row.case,
    `${row.metric}, ${row.unit}`,
    spreadText(row.vaultplane, row.digits),
    row.baseline ? `${row.baseline.name}: ${spreadText(row.baseline, row.digits)}` : '–',
    row.ratio === null ? '–' : row.ratio.toFixed(2),
    targetText(row.target),
    row.met === null ? '' : row.met ? 'met' : 'NOT met',
  ];
}

function spreadText({ median, min, max }: Spread, digits: number): string {
  const text = (figure: number) =>
    figure.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return min === max ? text(median) : `${text(median)} (${text(min)}–${text(max)})`;
}

function targetText(target: Target): string {
  if (target === 'shown') return 'shown';
  if ('atMost' in target) return `≤ ${target.atMost}`;
  return 'ratioAtLeast' in target ? `≥ ${target.ratioAtLeast} ×` : `≤ ${target.ratioAtMost} ×`;
}

function htmlPage(report: Report, benchmarks: readonly Benchmark[]): string {
  const { cpu, cores, node } = machine();
  const sections = benchmarks.flatMap(({ name, title }) => {
    const rows = report.rows.filter((row) => row.benchmark === name);
    return rows.length === 0 ? [] : [`<h2>${escapeHtml(name)}</h2><p>${escapeHtml(title)}</p>${htmlTable(rows)}`];
  });
  const remarks = [
    ...report.failed.map((text) => `failed: ${text}`),
    ...report.leftOut.map((text) => `left out: ${text}`),
    ...(report.stopped ? ['stopped before the end'] : []),
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>vaultplane benchmarks</title>
<style>
:root { color-scheme: light dark; --own: #1667c7; --base: #777; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --own: #7ab7ff; --base: #aaa; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); vertical-align: middle; }
.own { fill: var(--own); } .base { fill: var(--base); } .missed { color: var(--bad); font-weight: 600; }
svg text { font-size: 11px; fill: currentColor; }
</style>
<h1>vaultplane benchmarks</h1>
<p>${escapeHtml(report.at)}, ${report.rounds} rounds, medians; ${escapeHtml(cpu)}, ${cores} cores, Node.js ${escapeHtml(node)}.
Only ratios mean something on another machine. ● vaultplane, ◆ its baseline, one mark a round.</p>
${remarks.map((text) => `<p class="missed">${escapeHtml(text)}</p>`).join('\n')}
${sections.join('\n')}
</html>
`;
}

function htmlTable(rows: readonly Row[]): string {
  const head = [...HEAD.slice(0, -1), 'rounds'].map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join('');
  const body = rows.map((row) => {
    const texts = cells(row);
    const verdict = texts.pop();
    const plain = texts.map((text, column) => {
      const last = column === texts.length - 1;
      return last && verdict === 'NOT met'
        ? `<td class="missed">${escapeHtml(text)} – not met</td>`
        : `<td>${escapeHtml(text)}${last && verdict === 'met' ? ' – met' : ''}</td>`;
    });
    return `<tr>${plain.join('')}<td>${plot(row)}</td></tr>`;
  });
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table>`;
}

const PLOT = { width: 240, height: 40, margin: 8 };

/** Every round of both, on one axis from zero. */
function plot({ vaultplane, baseline, unit }: Row): string {
  const { width, height, margin } = PLOT;
  const most = Math.max(...vaultplane.rounds, ...(baseline?.rounds ?? []), Number.MIN_VALUE);
  const x = (figure: number) => (margin + (figure / most) * (width - 2 * margin)).toFixed(1);
  const own = vaultplane.rounds.map((figure) => `<circle class="own" cx="${x(figure)}" cy="12" r="4"/>`);
  const theirs = (baseline?.rounds ?? []).map(
    (figure) =>
      `<rect class="base" x="-3.5" y="-3.5" width="7" height="7" transform="translate(${x(figure)} 26) rotate(45)"/>`,
  );
  const label = `${vaultplane.rounds.length} rounds, from 0 to ${Math.round(most).toLocaleString('en')} ${unit}`;
  return `<svg width="${width}" height="${height}" role="img" aria-label="${escapeHtml(label)}"><line x1="${margin}" y1="36" x2="${width - margin}" y2="36" stroke="currentColor" opacity=".4"/>${own.join('')}${theirs.join('')}</svg>`;
}
