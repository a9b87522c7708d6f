import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** The declarations that a consumer of the client needs, by file name: `client.d.ts`, and what it is made of. */
export function clientDeclarations(): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-types-'));
  try {
    const settings = {
      extends: join(ROOT, 'tsconfig.base.json'),
      compilerOptions: {
        ...{ noEmit: false, declaration: true, emitDeclarationOnly: true, stripInternal: true },
        outDir: join(folder, 'out'),
        rootDir: join(ROOT, 'data-plane/src/client'),
        typeRoots: [join(ROOT, 'node_modules/@types')],
      },
      files: [join(ROOT, 'data-plane/src/client/client.ts')],
    };
    runTsc(folder, settings);
    const made = new Map<string, string>();
    const take = (name: string) => {
      if (made.has(name)) return;
      const text = readFileSync(join(folder, 'out', name), 'utf8');
      made.set(name, text);
      for (const [, imported] of text.matchAll(/from '\.\/([\w-]+)\.ts'/g)) take(`${imported}.d.ts`);
    };
    take('client.d.ts');
    return made;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the pinned compiler in a folder with these settings. @throws Error with what it says */
export function runTsc(folder: string, settings: object): void {
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  try {
    execFileSync(process.execPath, [compiler, '-p', folder], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    throw new Error((error as { stdout?: string }).stdout || String(error));
  }
}
