import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Template, TemplateError } from './template.ts';

const A = '{vault://aws/a}';
const B = '{vault://aws/b}';
const VALUES = new Map([
  // A secret that somebody else may write, which names another.
  [A, B],
  [B, 'canary-of-b'],
  ['{vault://aws/json}', JSON.stringify({ ref: B, list: [B] })],
]);

function rendered(text: string, env: NodeJS.ProcessEnv = {}): string | Set<string> {
  return asText(new Template(text, 't', { env }).render(VALUES));
}

function asText(made: Buffer | Set<string>): string | Set<string> {
  return made instanceof Set ? made : made.toString();
}

/** No UTF-8. */
const BYTES = Buffer.from([0, 255, 254, 10, 0x27]);
const BINARY = '{vault://aws/binary}';
const ENCODED = '{vault://aws/encoded}';

describe('bytes in a template', () => {
  const values = new Map<string, string | Uint8Array>([
    [BINARY, BYTES],
    [ENCODED, BYTES.toString('base64url')],
    ['{vault://aws/text64}', Buffer.from('{"a":"é"}').toString('base64')],
    ['{vault://aws/no64}', 'canary+no!base64'],
    ['{vault://aws/bom}', '\ufeff{"a":"b"}'],
  ]);
  const made = (text: string, binary = false) => new Template(text, 't', { env: {}, binary }).render(values) as Buffer;
  const base64 = BYTES.toString('base64');

  it('are base64 unless they are asked for, and never base64 of base64', () => {
    for (const text of [`{{ secret "${BINARY}" }}`, `{{ base64 "${BINARY}" }}`, `{{ base64 (secret "${BINARY}") }}`])
      assert.equal(made(text).toString(), base64, text);
    assert.equal(made(`{{ base64 (decode "${BINARY}") }}`).toString(), base64);
    assert.equal(made(`{{ json "${BINARY}" }} {{ shell "${BINARY}" }}`).toString(), `"${base64}" '${base64}'`);
  });

  it('are there as they are by decode, and by --binary, among text', () => {
    const expected = Buffer.concat([Buffer.from('é '), BYTES, Buffer.from(' ü')]);
    for (const [text, binary] of [
      [`é {{ decode "${BINARY}" }} ü`, false],
      [`é {{ decode (secret "${BINARY}") }} ü`, false],
      [`é {{ decode "${ENCODED}" }} ü`, false],
      [`é {{ secret "${BINARY}" }} ü`, true],
      [`é {{#if (secret "${BINARY}")}}{{ decode "${BINARY}" }}{{/if}} ü`, true],
    ] as const)
      assert.deepEqual(made(text, binary), expected, text);
    assert.deepEqual(made(`{{ decode "${BINARY}" }}`), BYTES);
    assert.equal(made(`{{ base64 "${BINARY}" }}{{ json "${BINARY}" }}`, true).toString(), `${base64}"${base64}"`);
  });

  it('that are text can be worked on, and others are refused without being shown', () => {
    assert.equal(made('{{#with (fromJson (decode "{vault://aws/text64}"))}}{{ a }}{{/with}}').toString(), 'é');
    assert.throws(() => made(`{{ shell (decode "${BINARY}") }}`), /bytes that are no text can only stand alone/);
    assert.throws(
      () => made('{{ decode "{vault://aws/no64}" }}'),
      (error: Error) => {
        assert.match(error.message, /decode was given a value that is no base64/);
        assert.doesNotMatch(error.message, /canary/);
        return true;
      },
    );
  });

  it('JSON is read behind a byte order mark', () => {
    assert.equal(made('{{#with (fromJson "{vault://aws/bom}")}}{{ a }}{{/with}}').toString(), 'b');
  });
});

describe('a template', () => {
  it('has values only of references that it names itself: a value that looks like one is text', () => {
    const cases: Array<[string, string]> = [
      [`{{ secret "${A}" }}`, B],
      [`{{ shell (secret "${A}") }}`, `'${B}'`],
      [`{{ json (secret "${A}") }}`, JSON.stringify(B)],
      [`{{ json "${A}" }}`, JSON.stringify(B)],
      [`{{ base64 (secret "${A}") }}`, Buffer.from(B).toString('base64')],
      [`{{ base64 "${B}" }}`, Buffer.from('canary-of-b').toString('base64')],
      [`{{ shell "${B}" }}`, "'canary-of-b'"],
      [`{{#with (secret "${A}")}}{{ shell this }}{{/with}}`, `'${B}'`],
      [`{{#with (fromJson "{vault://aws/json}")}}{{ shell ref }}{{/with}}`, `'${B}'`],
      [`{{#each (lookup (fromJson "{vault://aws/json}") "list")}}{{ json this }}{{/each}}`, JSON.stringify(B)],
      // Also where the template names the other one too.
      [`{{ shell (secret "${A}") }} {{ secret "${B}" }}`, `'${B}' canary-of-b`],
      [`{{ shell (env "REF") }}`, `'${B}'`],
    ];
    for (const [text, expected] of cases) assert.equal(rendered(text, { REF: B }), expected, text);
  });

  it('asks for none but those that it names', () => {
    const missing = new Template(`{{ json "${A}" }}{{ shell (secret "${B}") }}`, 't', { env: {} }).render(new Map());
    assert.deepEqual([...(missing as Set<string>)], [A, B]);
    const held = new Template(`{{ shell (secret "${A}") }}`, 't', { env: {} }).render(new Map([[A, B]]));
    assert.equal(String(held), `'${B}'`);
  });

  it('refuses a value where secret needs a reference', () => {
    for (const text of [
      `{{ secret (secret "${A}") }}`,
      `{{#with (fromJson "{vault://aws/json}")}}{{ secret ref }}{{/with}}`,
      `{{#each (lookup (fromJson "{vault://aws/json}") "list")}}{{ secret this }}{{/each}}`,
      '{{ secret (env "REF") }}',
      '{{ secret 1 }}',
      '{{ secret }}',
    ]) {
      const wrong = (error: Error) => error instanceof TemplateError && !error.message.includes('canary');
      assert.throws(() => rendered(text, { REF: B }), wrong, text);
    }
  });

  it('has a reference that a block gives a name to', () => {
    assert.equal(rendered(`{{#with "${B}" as |password|}}{{ secret password }}{{/with}}`), 'canary-of-b');
  });

  it('can not call what marks references', () => {
    for (const text of [`{{ [named reference] "${B}" }}`, `{{ secret ([named reference] (secret "${A}")) }}`]) {
      assert.throws(() => rendered(text), TemplateError, text);
    }
  });
});

describe('a name in a template that there is not', () => {
  for (const [text, message] of [
    [`{{ secrt "${A}" }}`, /there is no helper secrt; did you mean secret\?/],
    [`{{ base46 (secret "${A}") }}`, /there is no helper base46; did you mean base64\?/],
    [`{{ secret "${A}" tll="5" }}`, /secret takes no options, and so no tll=/],
    [`{{#with (fromJson "${A}" key="x")}}{{/with}}`, /fromJson takes no options, and so no key=/],
    [`{{ secret "${A}" "${B}" }}`, /secret takes one value, and was given 2/],
    ['{{ env "HOME" "/root" }}', /env takes one value, and was given 2/],
  ] as const) {
    it(`is refused: ${text}`, () => {
      assert.throws(() => new Template(text, 't', { env: {} }), { message });
    });
  }
});
