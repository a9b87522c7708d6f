import { escapeHtml } from '../html.ts';

/** What `node --cpu-prof` writes. Source: the Chrome DevTools Protocol, Profiler.Profile. Times are microseconds. */
export interface CpuProfile {
  nodes: Array<{
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }>;
  samples: number[];
  timeDeltas: number[];
}

/** A function where it was called from, with the time of all that it called. */
interface Frame {
  name: string;
  kind: Kind;
  micros: number;
  ownMicros: number;
  called: Map<string, Frame>;
}

/** Whose code: ours, a library's, Node.js's, or the engine's and the system's. */
type Kind = 'own' | 'library' | 'node' | 'native';

/** Frames narrower than this part of the whole are left out. */
const NARROWEST = 0.002;
const WIDTH = 1200;
const ROW = 18;
const LONGEST_TABLE = 25;

/** A page with a profile's flame graph and its most expensive functions; time in which nothing was done is left out. */
export function flameGraphPage(title: string, profile: CpuProfile): string {
  const root = callTree(profile);
  const shapes: string[] = [];
  let deepest = 0;
  const draw = (frame: Frame, x: number, depth: number) => {
    deepest = Math.max(deepest, depth);
    const width = (frame.micros / root.micros) * WIDTH;
    const text = `${frame.name}: ${percent(frame.micros, root.micros)}, ${(frame.micros / 1000).toFixed(1)} ms`;
    const letters = Math.floor(width / 6.2);
    const label =
      letters < 3 ? '' : `<text x="${x + 2}" y="${depth * ROW + 13}">${escapeHtml(cut(frame.name, letters))}</text>`;
    shapes.push(
      `<g><title>${escapeHtml(text)}</title><rect class="${frame.kind}" x="${x.toFixed(1)}" y="${depth * ROW}" width="${width.toFixed(1)}" height="${ROW - 1}"/>${label}</g>`,
    );
    let at = x;
    for (const called of [...frame.called.values()].sort((a, b) => b.micros - a.micros)) {
      if (called.micros < NARROWEST * root.micros) continue;
      draw(called, at, depth + 1);
      at += (called.micros / root.micros) * WIDTH;
    }
  };
  if (root.micros > 0) draw(root, 0, 0);
  const rows = mostExpensive(root).map(
    ({ name, micros }) =>
      `<tr><td>${percent(micros, root.micros)}</td><td>${(micros / 1000).toFixed(1)} ms</td><td>${escapeHtml(name)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escapeHtml(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: ${WIDTH}px; margin: 2rem auto; color: #222; background: #fff; }
svg text { font-size: 11px; pointer-events: none; }
.own { fill: #7ab7ff; } .library { fill: #ffd08a; } .node { fill: #b9e2b0; } .native { fill: #ddd; }
td { padding-right: 1rem; }
</style>
<h1>${escapeHtml(title)}</h1>
<p>${(root.micros / 1_000_000).toFixed(2)} s of work. Blue is vaultplane, orange libraries, green Node.js, grey the engine and the
system. A frame’s width is the time that it and all that it called took; narrower than ${NARROWEST * 100} % is left out.</p>
<svg viewBox="0 0 ${WIDTH} ${(deepest + 1) * ROW}" role="img" aria-label="flame graph">${shapes.join('\n')}</svg>
<h2>Own time</h2>
<table>${rows.join('\n')}</table>
</html>
`;
}

function callTree({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const own = new Map<number, number>();
  for (const [index, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + timeDeltas[index]!);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const [first] = nodes;
  const root: Frame = { name: 'all', kind: 'native', micros: 0, ownMicros: 0, called: new Map() };
  /** @returns the time of the node and all under it */
  const add = (id: number, caller: Frame): number => {
    const { callFrame, children = [] } = byId.get(id)!;
    if (callFrame.functionName === '(idle)') return 0;
    const name = nameOf(callFrame);
    let frame = caller.called.get(name);
    if (!frame) {
      frame = { name, kind: kindOf(callFrame.url), micros: 0, ownMicros: 0, called: new Map() };
      caller.called.set(name, frame);
    }
    const ownMicros = Math.max(0, own.get(id) ?? 0);
    const micros = children.reduce((sum, child) => sum + add(child, frame), ownMicros);
    frame.ownMicros += ownMicros;
    frame.micros += micros;
    return micros;
  };
  for (const child of first?.children ?? []) root.micros += add(child, root);
  return root;
}

function mostExpensive(root: Frame): Array<{ name: string; micros: number }> {
  const sums = new Map<string, number>();
  const visit = ({ name, ownMicros, called }: Frame) => {
    sums.set(name, (sums.get(name) ?? 0) + ownMicros);
    for (const frame of called.values()) visit(frame);
  };
  visit(root);
  return [...sums]
    .map(([name, micros]) => ({ name, micros }))
    .filter(({ micros }) => micros > 0)
    .sort((a, b) => b.micros - a.micros)
    .slice(0, LONGEST_TABLE);
}

const LIBRARY = /\/node_modules\/(?!.*\/node_modules\/)(.*)$/;

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const place = LIBRARY.exec(url)?.[1] ?? url.split('/').slice(-3).join('/');
  return `${name} ${place}:${lineNumber + 1}`;
}

function kindOf(url: string): Kind {
  if (url.startsWith('node:')) return 'node';
  if (!url.startsWith('file:')) return 'native';
  return LIBRARY.test(url) ? 'library' : 'own';
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}

function cut(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}
