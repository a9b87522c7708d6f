import assert from 'node:assert/strict';
import { it } from 'node:test';

it('modules of ours are the same ones as without its help, and what is not there is named', async () => {
  const before = await Promise.all([
    import('./errors.ts'),
    import('@vaultplane/platform/time/clock.ts'),
    import('pino'),
  ]);
  // Of JavaScript, without declarations.
  const { findOwnModules } = await import(new URL('./own-modules.mjs', import.meta.url).href);
  findOwnModules();
  // Names that Node.js has not resolved before.
  const parts = ['@vaultplane', 'platform'];
  const names = [[...parts, 'errors.ts'].join('/'), ['.', 'time', 'clock.ts'].join('/'), 'pino'];
  const after = await Promise.all(names.map((name) => import(name) as Promise<object>));
  for (const [index, module] of before.entries()) assert.equal(after[index], module, names[index]!);
  await assert.rejects(import(['.', 'not-there.ts'].join('/')), /not-there\.ts/);
  await assert.rejects(import([...parts, 'not-there.ts'].join('/')), /platform\/src\/not-there\.ts/);
  await assert.rejects(import('not-there' + '.ts'), /not-there\.ts/);
});
