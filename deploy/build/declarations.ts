import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { BuildError } from './artefact.ts';
import { ROOT } from './places.ts';

/**
 * The declarations (TypeScript) of a source, and of those beside it that they refer to, as a CommonJS package has them: `client.ts`
 * gives `client.d.cts`. What is `@internal` is left out.
 *
 * @param entry by its path in the project
 * @returns texts by file name
 * @throws BuildError where the sources do not compile, or their types are of another folder or package
 */
export async function declarations(entry: string, signal: AbortSignal): Promise<Map<string, string>> {
  const sources = join(ROOT, dirname(entry));
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-types-'));
  try {
    const settings = {
      extends: join(ROOT, 'tsconfig.base.json'),
      compilerOptions: {
        ...{ noEmit: false, declaration: true, emitDeclarationOnly: true, stripInternal: true },
        ...{ outDir: join(folder, 'out'), rootDir: ROOT, typeRoots: [join(ROOT, 'node_modules/@types')] },
      },
      files: [join(ROOT, entry)],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    await promisify(execFile)(process.execPath, [compiler, '-p', folder], { signal }).catch(
      ({ stdout }: { stdout?: string }) => {
        throw new BuildError(`${entry} does not compile: ${stdout?.split('\n', 1)[0] ?? 'the compiler was stopped'}`);
      },
    );
    const made = new Map<string, string>();
    const take = (path: string) => {
      const name = path.slice(sources.length + 1).replace(/\.ts$/, '.d.cts');
      if (made.has(name)) return;
      if (dirname(path) !== sources) throw new BuildError(`the types of ${entry} are those of another folder: ${path}`);
      const emitted = join(folder, 'out', path.slice(ROOT.length).replace(/\.ts$/, '.d.ts'));
      const text = readFileSync(emitted, 'utf8');
      made.set(name, text.replaceAll(/(?<=from ')(\.[^']+)\.ts(?=';)/g, '$1.cjs'));
      for (const [, imported] of text.matchAll(/from '([^']+)';/g)) take(resolve(sources, imported!));
    };
    take(join(ROOT, entry));
    return made;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
