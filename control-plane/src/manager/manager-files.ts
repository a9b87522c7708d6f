import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { CSS, HTML, JAVASCRIPT, type ManagerPage, managerFile, SVG } from './manager-file.ts';

const APP = new URL('../../manager/src/', import.meta.url);
const require = createRequire(import.meta.url);

/** What the page's modules import by name, by the file that is served for it. */
const LIBRARIES: ReadonlyArray<readonly [name: string, file: string, source: string]> = [
  ['preact', 'lib/preact.js', packageFile('preact', 'dist/preact.module.js')],
  ['preact/hooks', 'lib/preact-hooks.js', packageFile('preact', 'hooks/dist/hooks.module.js')],
  ['htm', 'lib/htm.js', packageFile('htm', 'dist/htm.module.js')],
  ['uplot', 'lib/uplot.js', packageFile('uplot', 'dist/uPlot.esm.js')],
  [
    '@vaultplane/model/references/reference-text.ts',
    'shared/reference-text.ts',
    fileURLToPath(import.meta.resolve('@vaultplane/model/references/reference-text.ts')),
  ],
];

/**
 * Every file of the manager's page, by its path below the page: sources with their types stripped, and the libraries that
 * they import, so that there is no build step.
 *
 * @param base where the page is, such as /manager
 */
export function managerFiles(base: string): ManagerPage {
  const files: ManagerPage['files'] = new Map();
  const add = (path: string, type: string, text: string) => files.set(path, managerFile(type, text));
  for (const name of readdirSync(APP)) {
    if (name.endsWith('.ts')) add(`app/${name}`, JAVASCRIPT, stripped(fileURLToPath(new URL(name, APP))));
  }
  for (const [, path, source] of LIBRARIES) {
    add(path, JAVASCRIPT, source.endsWith('.ts') ? stripped(source) : withoutSourceMap(readFileSync(source, 'utf8')));
  }
  add('style.css', CSS, readFileSync(new URL('style.css', APP), 'utf8'));
  add('lib/uplot.css', CSS, readFileSync(packageFile('uplot', 'dist/uPlot.min.css'), 'utf8'));
  add('icon.svg', SVG, readFileSync(new URL('icon.svg', APP), 'utf8'));
  const importMap = JSON.stringify({
    imports: Object.fromEntries(LIBRARIES.map(([name, file]) => [name, `${base}/${file}`])),
  });
  const page = readFileSync(new URL('index.html', APP), 'utf8')
    .replaceAll('%BASE%', base)
    .replace('"%IMPORT_MAP%"', importMap)
    .replace('%MODULES%', preloads(files, base));
  add('index.html', HTML, page);
  // Of the script as it stands in the page, spaces and all.
  const script = /<script type="importmap">(.*?)<\/script>/s.exec(page)![1]!;
  return { files, scriptDigest: createHash('sha256').update(script).digest('base64') };
}

/** Asked for only by the pages that have a chart, or the builder. */
const LATER: readonly string[] = ['lib/uplot.js', 'app/chart.ts', 'shared/reference-text.ts'];

/** So that a browser asks for all modules at once, and not for each when it has read who imports it. */
function preloads(files: ManagerPage['files'], base: string): string {
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
