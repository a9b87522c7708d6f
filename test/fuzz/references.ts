import assert from 'node:assert/strict';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import {
  MAX_REFERENCE_BYTES,
  parseReference,
  printReference,
  type Reference,
  secondReading,
} from '@vaultplane/model/references/reference.ts';
import { vectors } from '@vaultplane/testkit/vectors.ts';
import fc from 'fast-check';
import { type FuzzTarget, findingOf } from './fuzz-target.ts';

const NAMED = ['not_a_reference', 'invalid_reference', 'invalid_option'];
const EXAMPLES = vectors<{ cases: Array<{ reference: string }> }>('references').cases.map(({ reference }) => reference);
const PIECES =
  '{vault:// aws env a b-c / // # #1 #2 #0 #01 ? & = % %2F %2f %7B %00 %ff %C3%A9 %252F ttl=60 ttl region=eu-west-1 ' +
  'neg_ttl=1e9 resurrect_ttl=-1 prefix= version_stage=AWSPENDING version_id=x json_pointer=/a~1b endpoint_url=http://x ' +
  '__proto__=1 constructor é 𝒳 \ud800 \0 } {';

const piece = fc.constantFrom(...PIECES.split(' '), ' ');
/** An edit of a text: some of it is taken out, and something else put there. */
const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat({ max: 4 }), by: piece });
const edited = fc
  .tuple(fc.constantFrom(...EXAMPLES), fc.array(edit, { minLength: 1, maxLength: 4 }))
  .map(([text, edits]) =>
    edits.reduce((before, { at, length, by }) => {
      const index = Math.floor(at * before.length);
      return before.slice(0, index) + by + before.slice(index + length);
    }, text),
  );
const inputs: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: edited },
  { weight: 4, arbitrary: fc.array(piece, { maxLength: 12 }).map((parts) => `{vault://aws/${parts.join('')}}`) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }).map((text) => `{vault://sm-vault/${text}}`) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: fc.nat({ max: 2100 }).map((length) => `{vault://aws/${'é'.repeat(length)}}`) },
  { weight: 1, arbitrary: fc.oneof(fc.integer(), fc.constant(null), fc.object({ maxDepth: 1 })) },
);

/** Any input is read or refused by name; what was read prints as a reference that is read as the same. */
export const references: FuzzTarget = {
  name: 'references',
  inputs: 'inputs',
  usual: 1_000_000,
  slice: 10_000,
  attempt: (seed, count) => findingOf(inputs, holds, seed, count),
};

function holds(input: unknown): void {
  const read = readOrRefuse(input);
  if (read === undefined) return;
  assert.ok(Buffer.byteLength(input as string) <= MAX_REFERENCE_BYTES, 'too long');
  assert.ok(read.path !== '' && !/\p{Cc}/u.test(read.path + (read.key ?? '')), 'a name that no secret can have');
  for (const name of Object.keys(read.options ?? {})) {
    assert.ok(!/endpoint|role|proto/.test(name), `the option ${name} got through`);
  }
  for (const reading of [read, secondReading(read)]) {
    if (!reading) continue;
    const printed = printReference(reading);
    // Printing escapes more than a reference must, and so may make it longer than one may be.
    if (Buffer.byteLength(printed) <= MAX_REFERENCE_BYTES) assert.deepEqual(parseReference(printed), reading, printed);
  }
}

function readOrRefuse(input: unknown): Reference | undefined {
  try {
    return parseReference(input);
  } catch (error) {
    assert.ok(error instanceof VaultplaneError && NAMED.includes(error.code), `not a named error: ${error}`);
    return undefined;
  }
}
