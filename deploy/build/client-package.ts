import type { Artefact, Build, BuiltFile, Files } from './artefact.ts';
import { BuildError } from './artefact.ts';
import { bundle } from './bundle.ts';
import { declarations } from './declarations.ts';
import { notices } from './notices.ts';
import { manifest, read, SOURCES } from './places.ts';
import { tarball } from './tar.ts';

/** The oldest Node.js that the client runs on: older than that of the programs, since it is of other people's programs. */
const OLDEST_NODE = '20.18';

/** `@vaultplane/client`, for npm. */
export const clientPackage: Artefact = {
  name: 'client',
  description: 'vaultplane-client-VERSION.tgz, the client for Node.js (@vaultplane/client)',
  async make(build) {
    const files = await packageFiles(build);
    return new Map([[`vaultplane-client-${build.version}.tgz`, { content: tarball(files, 'package') }]]);
  },
};

/**
 * One CommonJS module, and an ES module that has the same exports from it: a program that loads both has each class once, and
 * one set of connections.
 */
async function packageFiles({ version, signal }: Build): Promise<Files> {
  const { files: scripts, metafile } = await bundle({
    entry: SOURCES.client,
    name: 'client',
    options: {
      ...{ format: 'cjs', splitting: false, outExtension: { '.js': '.cjs' }, target: `node${OLDEST_NODE}` },
      // It is read by those who debug their own program, and bundled by some; its size does not matter.
      ...{ minifyWhitespace: false, minifySyntax: false, plugins: [] },
    },
  });
  const names = exportsOf(String(Buffer.from(scripts.get('client.cjs')!.content)));
  const types = await declarations(SOURCES.client, signal);
  const json = {
    name: '@vaultplane/client',
    version,
    description: 'Secrets from a vaultplane data plane, from memory and always current',
    license: manifest().license,
    keywords: ['secrets', 'aws-secrets-manager', 'vault', 'rotation', 'vaultplane'],
    engines: { node: `>=${OLDEST_NODE}` },
    sideEffects: false,
    main: './lib/client.cjs',
    types: './lib/client.d.cts',
    exports: {
      '.': {
        import: { types: './lib/client.d.mts', default: './lib/client.mjs' },
        require: { types: './lib/client.d.cts', default: './lib/client.cjs' },
      },
      './package.json': './package.json',
    },
  };
  const own: Array<[string, BuiltFile]> = [
    ['package.json', { content: `${JSON.stringify(json, null, 2)}\n` }],
    ['README.md', { content: read(SOURCES.clientReadme).replaceAll('-VERSION.tgz', `-${version}.tgz`) }],
    ['LICENSE', { content: read('LICENSE') }],
    ['THIRD-PARTY-NOTICES.txt', { content: notices([metafile]) }],
    ['lib/client.mjs', { content: `export { ${names.join(', ')} } from './client.cjs';\n` }],
    ['lib/client.d.mts', { content: "export * from './client.cjs';\n" }],
  ];
  const inLib = (files: Iterable<[string, BuiltFile]>) =>
    [...files].map(([name, file]) => [`lib/${name}`, file] as const);
  return new Map([...own, ...inLib(scripts), ...inLib([...types].map(([name, content]) => [name, { content }]))]);
}

/** What a CommonJS module exports: esbuild writes it down for Node.js, which does not run such a module to find out. */
function exportsOf(script: string): string[] {
  const [, list] = /^0 && \(module\.exports = \{([^}]*)\}\);$/m.exec(script) ?? [];
  if (list === undefined) throw new BuildError('the exports of the client are not where esbuild puts them');
  return list.split(',').map((name) => name.trim());
}
