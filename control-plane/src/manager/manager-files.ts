import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

/** One file of the page, as browsers are given it. */
export interface ManagerFile {
  type: string;
  body: Buffer;
  gzip: Buffer;
  brotli: Buffer;
  etag: string;
}

const APP = new URL('./app/', import.meta.url);
const require = createRequire(import.meta.url);

/** What the page's modules import by name, by the file that is served for it. */
const LIBRARIES: ReadonlyArray<readonly [name: string, file: string, source: string]> = [
  ['preact', 'lib/preact.js', packageFile('preact', 'dist/preact.module.js')],
  ['preact/hooks', 'lib/preact-hooks.js', packageFile('preact', 'hooks/dist/hooks.module.js')],
  ['htm', 'lib/htm.js', packageFile('htm', 'dist/htm.module.js')],
  ['uplot', 'lib/uplot.js', packageFile('uplot', 'dist/uPlot.esm.js')],
  [
    '@vaultplane/shared/reference-text.ts',
    'shared/reference-text.ts',
    fileURLToPath(import.meta.resolve('@vaultplane/shared/reference-text.ts')),
  ],
];

/**
 * Every file of the manager's page, by its path below the page: sources with their types stripped, and the libraries that
 * they import, so that there is no build step.
 *
 * @param base where the page is, such as /manager
 * @returns the files, with `index.html` as the page itself, and the digest of its import map for the policy
 */
export function managerFiles(base: string): { files: Map<string, ManagerFile>; importMapDigest: string } {
  const files = new Map<string, ManagerFile>();
  const add = (path: string, type: string, text: string) => files.set(path, fileOf(type, text));
  for (const name of readdirSync(APP)) {
    if (name.endsWith('.ts')) add(`app/${name}`, JAVASCRIPT, stripped(fileURLToPath(new URL(name, APP))));
  }
  for (const [, path, source] of LIBRARIES) {
    add(path, JAVASCRIPT, source.endsWith('.ts') ? stripped(source) : withoutSourceMap(readFileSync(source, 'utf8')));
  }
  add('style.css', CSS, readFileSync(new URL('style.css', APP), 'utf8'));
  add('lib/uplot.css', CSS, readFileSync(packageFile('uplot', 'dist/uPlot.min.css'), 'utf8'));
  add('icon.svg', 'image/svg+xml', readFileSync(new URL('icon.svg', APP), 'utf8'));
  const importMap = JSON.stringify({
    imports: Object.fromEntries(LIBRARIES.map(([name, file]) => [name, `${base}/${file}`])),
  });
  const page = readFileSync(new URL('index.html', APP), 'utf8')
    .replaceAll('%BASE%', base)
    .replace('"%IMPORT_MAP%"', importMap)
    .replace('%MODULES%', preloads(files, base));
  add('index.html', 'text/html; charset=utf-8', page);
  // Of the script as it stands in the page, spaces and all.
  const script = /<script type="importmap">(.*?)<\/script>/s.exec(page)![1]!;
  return { files, importMapDigest: createHash('sha256').update(script).digest('base64') };
}

const JAVASCRIPT = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
/** Asked for only by the pages that have a chart, or the builder. */
const LATER: readonly string[] = ['lib/uplot.js', 'app/chart.ts', 'shared/reference-text.ts'];

/** So that a browser asks for all modules at once, and not for each when it has read who imports it. */
function preloads(files: ReadonlyMap<string, ManagerFile>, base: string): string {
  return [...files.keys()]
    .filter((path) => /\.(ts|js)$/.test(path) && !LATER.includes(path))
    .map((path) => `<link rel="modulepreload" href="${base}/${path}">`)
    .join('\n    ');
}

function stripped(path: string): string {
  const { emitWarning } = process;
  // That it is experimental would be said on stderr, once, in the midst of the log; the pinned Node.js has it.
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(readFileSync(path, 'utf8'), { mode: 'strip' });
  } finally {
    process.emitWarning = emitWarning;
  }
}

function withoutSourceMap(text: string): string {
  return text.replace(/\n?\/\/# sourceMappingURL=\S+\s*$/, '\n');
}

/** A file of a package, whether or not its exports name it. */
function packageFile(name: string, file: string): string {
  const entry = require.resolve(name);
  const folder = `/node_modules/${name}/`;
  return entry.slice(0, entry.lastIndexOf(folder) + folder.length) + file;
}

function fileOf(type: string, text: string): ManagerFile {
  const body = Buffer.from(text);
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { type, body, gzip: gzipSync(body, { level: 9 }), brotli: brotliCompressSync(body), etag };
}
