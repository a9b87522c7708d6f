import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { type BuildOptions, build as esbuild, type Metafile, type Plugin } from 'esbuild';
import { BuildError, type BuiltFile } from './artefact.ts';
import { ROOT, read } from './places.ts';

export interface BundleOptions {
  /** The program's or the library's first source, by its path in the project. */
  entry: string;
  /** Of the file that starts it, without `.js`. */
  name: string;
  /** Packages that are left as imports, and are dependencies of what is built. */
  external?: readonly string[];
  /** Sources that another one stands in for, by their paths in the project. */
  replace?: Readonly<Record<string, string>>;
  /** More of esbuild's own options. */
  options?: BuildOptions;
}

export interface Bundle {
  /** Scripts and their source maps, by name. */
  files: Map<string, BuiltFile>;
  /** What is in it. Paths are below the project's folder. */
  metafile: Metafile;
}

/** The oldest Node.js that what is built runs on. */
export const OLDEST_NODE = '22.14';

/**
 * Bundles a program with all that it imports, as ES modules. What it loads later is in files of its own. Source maps are
 * beside the scripts, name sources by their path in the project and are read only to print a stack.
 *
 * @throws BuildError where the sources can't be bundled, or tests are among them
 */
export async function bundle({ entry, name, ...settings }: BundleOptions): Promise<Bundle> {
  const workers = new Set<string>();
  const first = await bundleOnce({ [name]: entry }, settings, workers);
  // A worker thread starts at a file of its own, which is known only once the sources are read.
  const entries = { [name]: entry, ...Object.fromEntries([...workers].map((path) => [workerName(path), path])) };
  return workers.size === 0 ? first : bundleOnce(entries, settings, workers);
}

async function bundleOnce(
  entryPoints: Record<string, string>,
  { external = [], replace = {}, options = {} }: Omit<BundleOptions, 'entry' | 'name'>,
  workers: Set<string>,
): Promise<Bundle> {
  const outdir = join(ROOT, 'dist');
  const { outputFiles, metafile } = await esbuild({
    absWorkingDir: ROOT,
    entryPoints,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: `node${OLDEST_NODE}`,
    chunkNames: 'chunk-[hash]',
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'silent',
    external: [...external],
    plugins: [builtins, sources(workers, replace)],
    ...options,
    write: false,
    metafile: true,
  }).catch((error: { errors?: Array<{ text: string; location: { file: string; line: number } | null }> }) => {
    const [problem] = error.errors ?? [];
    if (problem === undefined) throw error;
    const at = problem.location === null ? '' : `${problem.location.file}:${problem.location.line}: `;
    throw new BuildError(`${at}${problem.text}`);
  });
  refuseTests(metafile);
  const files = new Map<string, BuiltFile>();
  for (const { path, contents, text } of outputFiles) {
    files.set(relative(outdir, path), { content: path.endsWith('.map') ? mapOfProject(text, outdir) : contents });
  }
  return { files, metafile };
}

/** The namespace of Node.js's modules. */
const BUILTIN = 'builtin';

/** Test code has no place in what is released. */
function refuseTests({ inputs }: Metafile): void {
  const test = Object.keys(inputs).find(
    (path) => !path.includes('node_modules/') && /\.test\.ts$|\/testing\/|^test\/testkit\//.test(path),
  );
  if (test !== undefined) throw new BuildError(`${test} is of the tests, but what is built imports it`);
}

/** A source map whose sources are named by their path in the project, wherever that is. */
function mapOfProject(text: string, outdir: string): string {
  const map = JSON.parse(text) as { sources: string[] };
  map.sources = map.sources.map((source) =>
    source.startsWith(BUILTIN) ? source.replace(BUILTIN, 'node') : relative(ROOT, join(outdir, source)),
  );
  return JSON.stringify(map);
}

/**
 * Modules of Node.js by process.getBuiltinModule. An `import` of one reads all that it exports, and so loads what stands behind
 * that: undici behind node:http, root certificates behind node:tls. That takes as long as all else of a bare server's start.
 */
const builtins: Plugin = {
  name: 'builtins',
  setup(build) {
    const names = new Set(builtinModules);
    build.onResolve({ filter: /^[a-z0-9_:/]+$/ }, ({ path }) => {
      const name = path.replace(/^node:/, '');
      return path.startsWith('node:') || names.has(name) ? { path: name, namespace: BUILTIN } : undefined;
    });
    build.onLoad({ filter: /.*/, namespace: BUILTIN }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${path}`)})`,
    }));
  },
};

/**
 * Sources of ours: another one where it stands in, and the files of worker threads by their names in the bundle.
 *
 * @param workers gets the sources of worker threads
 */
function sources(workers: Set<string>, replace: Readonly<Record<string, string>>): Plugin {
  return {
    name: 'sources',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path.includes('/node_modules/')) return undefined;
        const source = relative(ROOT, path);
        const text = read(replace[source] ?? source);
        const contents = text.replaceAll(/new Worker\(new URL\('(\.[^']+\.ts)', import\.meta\.url\)/g, (_, file) => {
          const worker = join(dirname(source), file);
          workers.add(worker);
          return `new Worker(new URL('./${workerName(worker)}.js', import.meta.url)`;
        });
        return { contents, loader: 'ts' };
      });
    },
  };
}

function workerName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.ts$/, '');
}
