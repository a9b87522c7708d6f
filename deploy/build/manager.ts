import { join } from 'node:path';
import { build as esbuild, transform } from 'esbuild';
import { BuildError, type BuiltFile } from './artefact.ts';
import type { Bundle } from './bundle.ts';
import { ROOT, read, SOURCES } from './places.ts';

const PAGE = SOURCES.managerPage;

/** The manager's page as static files; `%BASE%` in them is for where it is served. */
export async function managerPage(): Promise<Bundle> {
  const { outputFiles, metafile } = await esbuild({
    absWorkingDir: ROOT,
    entryPoints: { main: `${PAGE}/main.ts` },
    outdir: join(ROOT, 'dist'),
    write: false,
    metafile: true,
    bundle: true,
    // What only some views need is loaded with them.
    splitting: true,
    chunkNames: 'chunk-[hash]',
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    minify: true,
    legalComments: 'none',
    logLevel: 'silent',
  });
  const files = new Map<string, BuiltFile>();
  for (const { path, contents } of outputFiles)
    files.set(path.slice(join(ROOT, 'dist/').length), { content: contents });
  const main = metafile.outputs['dist/main.js']!;
  const first = main.imports
    .filter(({ kind }) => kind === 'import-statement')
    .map(({ path }) => path.slice('dist/'.length));
  files.set('index.html', { content: page(first) });
  files.set('icon.svg', { content: read(`${PAGE}/icon.svg`) });
  const css = read(`control-plane/node_modules/uplot/dist/uPlot.min.css`) + read(`${PAGE}/style.css`);
  files.set('style.css', { content: (await transform(css, { loader: 'css', minify: true })).code });
  return { files, metafile };
}

/** The page with one script and one style sheet, in place of what it has for the sources. */
function page(preloaded: readonly string[]): string {
  const preloads = preloaded.map((name) => `<link rel="modulepreload" href="%BASE%/${name}">`).join('');
  const built = read(`${PAGE}/index.html`)
    .replace(/^.*lib\/uplot\.css.*\n/m, '')
    .replace(/^.*type="importmap".*\n/m, '')
    .replace('%MODULES%', preloads)
    .replace('app/main.ts', 'main.js');
  if (/%MODULES%|IMPORT_MAP|\.ts"|lib\//.test(built))
    throw new BuildError(`${PAGE}/index.html is not as the build expects it`);
  return built;
}
