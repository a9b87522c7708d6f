import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { type Pick, SecretValue } from '@vaultplane/model/values/secret-value.ts';
import fc from 'fast-check';
import { type FuzzTarget, findingOf } from './fuzz-target.ts';

const NAMED = ['key_not_found', 'key_not_scalar', 'not_json'];
const CANARY = 'c4n4ry';

const name = fc.constantFrom(
  'a',
  'b',
  '',
  '0',
  '-1',
  '__proto__',
  'constructor',
  'toString',
  'length',
  'é',
  'a/b',
  '~',
);
const scalar = fc.oneof(
  fc.string().map((text) => JSON.stringify(CANARY + text)),
  fc.constantFrom('true', 'false', 'null', '0', '-0', '1.10', '1e400', '12345678901234567890', '0.1e-7'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
);
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { weight: 3, arbitrary: scalar },
    fc.array(tie('json'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    fc
      .array(fc.tuple(name, tie('json')), { maxLength: 4 })
      .map((members) => `{ ${members.map(([key, value]) => `${JSON.stringify(key)}: ${value}`).join(',')} }`),
  ),
}));
const broken = fc
  .tuple(json, fc.nat({ max: 40 }), fc.constantFrom('', '}', '"', ',', '\\', '\u0001'))
  .map(([text, at, by]) => text.slice(0, at) + by + text.slice(at + 1));
const text = fc.oneof(
  { weight: 4, arbitrary: json },
  { weight: 2, arbitrary: broken },
  fc.string().map((word) => CANARY + word),
  fc.nat({ max: 20_000 }).map((depth) => '['.repeat(depth)),
);
const pick: fc.Arbitrary<Pick> = fc.oneof(
  fc.constant('whole' as const),
  name.map((key) => ({ key })),
  fc.array(name, { maxLength: 3 }).map((tokens) => ({ pointer: pointerOf(tokens) })),
);

/** Any pick of any secret gives what the JSON says, or a named error that shows nothing of it. */
export const values: FuzzTarget = {
  name: 'values',
  inputs: 'picks',
  usual: 200_000,
  slice: 2_000,
  attempt: (seed, count) => findingOf(fc.tuple(text, pick), holds, seed, count),
};

function holds([secret, picked]: [string, Pick]): void {
  const value = SecretValue.ofText(secret);
  assert.ok(!`${value}${inspect(value, { showHidden: true, depth: 9 })}${JSON.stringify({ value })}`.includes(CANARY));
  let given: string;
  try {
    given = value.pick(picked);
  } catch (error) {
    assert.ok(error instanceof VaultplaneError && NAMED.includes(error.code), `not a named error: ${error}`);
    assert.ok(!inspect(error, { depth: 9 }).includes(CANARY), 'the error shows the value');
    assert.equal(error.code, expectedOf(secret, picked).code);
    return;
  }
  assert.equal(given, expectedOf(secret, picked).value);
}

/** The same in another way: members by Map, numbers as functions that know their digits. */
function expectedOf(secret: string, picked: Pick): { value?: string; code?: string } {
  if (picked === 'whole') return { value: secret };
  let reached: unknown;
  try {
    reached = JSON.parse(secret, (_, value, context?: { source?: string }) =>
      typeof value === 'number' ? Object.assign(() => {}, { digits: context?.source }) : value,
    );
  } catch {
    return { code: 'not_json' };
  }
  const isObject = typeof reached === 'object' && reached !== null && !Array.isArray(reached);
  if ('key' in picked && !isObject) return { code: 'not_json' };
  const tokens =
    'key' in picked
      ? [picked.key]
      : picked.pointer
          .split('/')
          .slice(1)
          .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  for (const token of tokens) {
    const within = typeof reached === 'object' && reached !== null ? new Map(Object.entries(reached)) : new Map();
    if (!within.has(token)) return { code: 'key_not_found' };
    reached = within.get(token);
  }
  if (typeof reached === 'string') return { value: reached };
  if (typeof reached === 'boolean') return { value: String(reached) };
  if (typeof reached === 'function') return { value: (reached as unknown as { digits: string }).digits };
  return { code: 'key_not_scalar' };
}

function pointerOf(tokens: readonly string[]): string {
  return tokens.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
