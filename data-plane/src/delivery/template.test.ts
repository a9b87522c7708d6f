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
  return new Template(text, 't', env).render(VALUES);
}

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
    const missing = new Template(`{{ json "${A}" }}{{ shell (secret "${B}") }}`, 't', {}).render(new Map());
    assert.deepEqual([...(missing as Set<string>)], [A, B]);
    const held = new Template(`{{ shell (secret "${A}") }}`, 't', {}).render(new Map([[A, B]]));
    assert.equal(held, `'${B}'`);
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
