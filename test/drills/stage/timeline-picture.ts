import { escapeHtml } from '../../html.ts';
import { type DrillEvent, LETTERS, type Timeline } from './timeline.ts';

const WIDTH = 1000;
const LABELS = 250;
const RIGHT = 14;
const TOP = 26;
const ROW = 14;
const GAP = 6;
const CALLS = 26;
const AXIS = 22;

const ROW_CLASS: Record<string, string> = {
  [LETTERS.fresh]: 'fresh',
  [LETTERS.stale]: 'stale',
  [LETTERS.resurrected]: 'resurrected',
  [LETTERS.failed]: 'failed',
  [LETTERS.wrong]: 'wrong',
  [LETTERS.connected]: 'connected',
  [LETTERS.disconnected]: 'disconnected',
  [LETTERS.down]: 'down',
};

/**
 * What applications got and how the data plane was, over time, as an inline SVG: one row a reference, one for the link,
 * and AWS's calls; shaded while something is broken, with the numbers of the events on top.
 */
export function timelinePicture(timeline: Timeline, events: readonly DrillEvent[]): string {
  const { intervalMs, references, link, upstreamCalls } = timeline;
  const lines = [...references.map(({ states }) => states), link];
  const fromMs = firstMs(lines, intervalMs);
  const toMs = Math.max(...lines.map((letters) => letters.length * intervalMs), fromMs + intervalMs);
  const x = (ms: number) => {
    const part = (Math.min(toMs, Math.max(fromMs, ms)) - fromMs) / (toMs - fromMs);
    return round(LABELS + part * (WIDTH - LABELS - RIGHT));
  };
  const rowTop = (row: number) => TOP + row * (ROW + GAP);
  const callsTop = rowTop(lines.length);
  const bottom = callsTop + CALLS;
  const parts = [
    ...outages(events, toMs).map(
      ([from, to]) =>
        `<rect class="outage" x="${x(from)}" y="${TOP - 6}" width="${round(x(to) - x(from))}" height="${bottom - TOP + 8}"/>`,
    ),
    ...references.flatMap(({ reference, states }, row) => [
      label(reference.replace(/^\{vault:\/\/|\}$/g, ''), rowTop(row) + ROW - 3),
      ...runs(states, intervalMs, x, rowTop(row), timeline.excused),
    ]),
    label('link to a control plane', rowTop(references.length) + ROW - 3),
    ...runs(link, intervalMs, x, rowTop(references.length), []),
    label('calls to AWS', callsTop + CALLS - 4),
    ...bars(upstreamCalls, intervalMs, x, bottom, fromMs),
    ...axis(fromMs, toMs, x, bottom),
    ...marks(events, x),
  ];
  const title = 'What applications were given, over time';
  return `<svg viewBox="0 0 ${WIDTH} ${bottom + AXIS}" role="img" aria-label="${title}">${parts.join('')}</svg>`;
}

function firstMs(lines: readonly string[], intervalMs: number): number {
  const firsts = lines.map((letters) => letters.search(/[^.]/)).filter((index) => index >= 0);
  return Math.max(0, (firsts.length === 0 ? 0 : Math.min(...firsts)) * intervalMs - 1000);
}

/** From each thing that breaks to the next that mends. */
function outages(events: readonly DrillEvent[], endMs: number): Array<[number, number]> {
  const spans: Array<[number, number]> = [];
  let from: number | undefined;
  for (const { kind, atMs } of events) {
    if (kind === 'breaks') from ??= atMs;
    if (kind !== 'mends' || from === undefined) continue;
    spans.push([from, atMs]);
    from = undefined;
  }
  if (from !== undefined) spans.push([from, endMs]);
  return spans;
}

function runs(
  letters: string,
  intervalMs: number,
  x: (ms: number) => number,
  top: number,
  excused: Timeline['excused'],
): string[] {
  return [...letters.matchAll(/(.)\1*/g)].flatMap(({ 0: run, 1: letter, index }) => {
    const kind = ROW_CLASS[letter!];
    if (kind === undefined) return [];
    const [from, to] = [index * intervalMs, (index + run.length) * intervalMs];
    const reason = kind === 'failed' && excused.find(({ fromMs, toMs }) => fromMs <= to && from <= toMs)?.reason;
    const words = `${kind}${reason ? `: ${reason}` : ''}, ${seconds(from)} to ${seconds(to)}`;
    return [
      `<rect class="${reason ? 'excused' : kind}" x="${x(from)}" y="${top}" width="${round(x(to) - x(from))}" height="${ROW}"><title>${escapeHtml(words)}</title></rect>`,
    ];
  });
}

function bars(
  calls: readonly number[],
  intervalMs: number,
  x: (ms: number) => number,
  bottom: number,
  fromMs: number,
): string[] {
  const most = Math.max(1, ...calls.slice(Math.floor(fromMs / intervalMs)));
  return calls.flatMap((count, index) => {
    if (count === 0 || index * intervalMs < fromMs) return [];
    const height = round(Math.max(2, (count / most) * (CALLS - 4)));
    const left = x(index * intervalMs);
    return [
      `<rect class="calls" x="${left}" y="${round(bottom - height)}" width="${round(Math.max(1.5, x((index + 1) * intervalMs) - left - 0.5))}" height="${height}"><title>${count} calls</title></rect>`,
    ];
  });
}

function axis(fromMs: number, toMs: number, x: (ms: number) => number, bottom: number): string[] {
  const steps = [1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000];
  const step = steps.find((ms) => (toMs - fromMs) / ms <= 12) ?? 60_000;
  const ticks: string[] = [`<line class="axis" x1="${LABELS}" x2="${WIDTH - RIGHT}" y1="${bottom}" y2="${bottom}"/>`];
  for (let at = Math.ceil(fromMs / step) * step; at <= toMs; at += step) {
    ticks.push(`<text class="tick" x="${x(at)}" y="${bottom + 15}">${at / 1000} s</text>`);
  }
  return ticks;
}

/** Numbers of what was broken and mended, as in the list of events; those too near to another go lower. */
function marks(events: readonly DrillEvent[], x: (ms: number) => number): string[] {
  return events.flatMap(({ kind, atMs, text }, index) => {
    if (kind !== 'breaks' && kind !== 'mends' && kind !== 'failed') return [];
    const at = x(atMs);
    return [
      `<g class="mark ${kind}"><title>${escapeHtml(text)}</title><line x1="${at}" x2="${at}" y1="16" y2="${TOP - 6}"/><circle cx="${at}" cy="9" r="8"/><text x="${at}" y="12.5">${index + 1}</text></g>`,
    ];
  });
}

const label = (text: string, y: number): string =>
  `<text class="label" x="${LABELS - 10}" y="${y}">${escapeHtml(text)}</text>`;
const round = (value: number): number => Math.round(value * 10) / 10;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
