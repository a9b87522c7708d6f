import assert from 'node:assert/strict';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runCommand } from '../interop/command.ts';
import { fromRegistry, missingNpm } from './npm.ts';
import { Packed } from './packed.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Programs by the module system that their name stands for; each line below an expectation must be an error. */
const PROGRAM = `
  const secrets: Client = connect({ url: 'http://127.0.0.1:2773' });
  export async function use(signal: AbortSignal) {
    const one: string = await secrets.get('{vault://aws/a/b}', { signal });
    const bytes: Uint8Array = await secrets.getBytes('{vault://aws/a/b}');
    const pair: [string, string] = await secrets.getMany(['{vault://aws/a/b}', '{vault://aws/a/c}']);
    const login: { user: string; password: string } = await secrets.getMany({ user: pair[0], password: pair[1] });
    const rows: number = await secrets.withSecret({ dsn: login.user }, async ({ dsn }) => dsn.length);
    const stop: () => void = secrets.watch(pair, (event) => {
      if (event instanceof ClientError) { const code: ClientErrorCode = event.code; void code; }
      else { const secret: Secret = event; void secret.bytes.length; }
    });
    const disposable: { [Symbol.dispose](): void } = secrets;
    connect({ url: new URL('http://127.0.0.1:2773') });
    // @ts-expect-error
    secrets.get(42);
    // @ts-expect-error
    secrets.get('{vault://aws/a/b}', { signal: 1 });
    // @ts-expect-error
    (await secrets.getMany({ user: 'a' })).pasword;
    // @ts-expect-error
    const code: ClientErrorCode = 'no_such_code';
    return [one, bytes, rows, stop, disposable, code];
  }`;
const ES = `import { ClientError, connect, type Client, type ClientErrorCode, type Secret } from '@vaultplane/client';${PROGRAM}`;
const COMMON = `import client = require('@vaultplane/client');
  import { ClientError, connect, type Client, type ClientErrorCode, type Secret } from '@vaultplane/client';
  export const same: typeof client.connect = connect;${PROGRAM}`;

/** Needs no globals but those of the ECMAScript of 2022. */
const PLAIN = `import { connect } from '@vaultplane/client';
  export const bytes: Promise<Uint8Array> = connect({ url: { href: 'x' } }).getBytes('a', { signal: { aborted: true } });`;
/** Has Buffer where @types/node is installed. */
const NODE = `import { connect } from '@vaultplane/client';
  export const text: Promise<string> = connect().getBytes('a').then((bytes) => bytes.toString('base64'));`;

const STRICT = { target: 'es2022', strict: true, skipLibCheck: false, noEmit: true, types: [] as string[] };

const compilers = {
  'TypeScript 5.5': await fromRegistry('typescript@5.5.4'),
  'the pinned TypeScript': { folder: ROOT, missing: undefined },
};
const nodeTypes = {
  'Node.js 20': await fromRegistry('@types/node@20.19.9'),
  'the pinned Node.js': { folder: ROOT, missing: undefined },
};

describe('the types of @vaultplane/client', { skip: missingNpm }, () => {
  let packed: Packed;
  before(async () => {
    packed = await Packed.install('client', '@vaultplane/client');
    packed.file('es.mts', ES);
    packed.file('common.cts', COMMON);
    packed.file('bundled.ts', ES);
    packed.file('plain.mts', PLAIN);
    packed.file('node.mts', NODE);
  });
  after(() => packed?.remove());

  for (const [name, compiler] of Object.entries(compilers)) {
    describe(`under ${name}`, { skip: compiler.missing ?? false }, () => {
      /** @throws Error with what the compiler says */
      async function compile(files: string[], options: object): Promise<void> {
        packed.file('tsconfig.json', JSON.stringify({ compilerOptions: { ...STRICT, ...options }, files }));
        const tsc = join(compiler.folder!, 'node_modules/typescript/bin/tsc');
        const { status, stdout } = await runCommand(process.execPath, [tsc, '-p', packed.program], process.env);
        assert.equal(status, 0, stdout);
      }

      for (const lib of [undefined, ['esnext', 'dom']]) {
        const named = lib === undefined ? '' : ' with the newest library';
        it(`an ES module and a CommonJS module of nodenext compile${named}`, () =>
          compile(['es.mts', 'common.cts'], { module: 'nodenext', ...(lib && { lib }) }));
        it(`a program for a bundler compiles${named}`, () =>
          compile(['bundled.ts'], { module: 'esnext', moduleResolution: 'bundler', ...(lib && { lib }) }));
      }

      it('a program without any globals compiles', () =>
        compile(['plain.mts'], { module: 'nodenext', lib: ['es2022'] }));

      for (const [version, { folder, missing }] of Object.entries(nodeTypes)) {
        it(`a program with the types of ${version}, and nothing of the DOM, compiles`, {
          skip: missing ?? false,
        }, async () => {
          const types = join(packed.program, 'node_modules/@types');
          symlinkSync(join(folder!, 'node_modules/@types'), types);
          try {
            // Types of a later Node.js than a compiler knows are not ours to check.
            const skipLibCheck = folder === ROOT && compiler.folder !== ROOT;
            const options = { types: ['node'], lib: ['es2022'], skipLibCheck };
            await compile(['es.mts', 'common.cts', 'node.mts'], { module: 'nodenext', ...options });
          } finally {
            rmSync(types);
          }
        });
      }
    });
  }
});
