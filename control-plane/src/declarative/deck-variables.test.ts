import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { yamlToJson } from '../admin-api/yaml-worker.ts';
import { DeckVariables } from './deck-variables.ts';

const ENV = {
  DECK_TOKEN: 'a "quoted": {value} # of\ntwo lines',
  DECK_PORT: '8200',
  DECK_ON: 'T',
  DECK_EMPTY: '',
  OTHER: 'canary-of-another-variable',
};

function read(text: string, env: NodeJS.ProcessEnv = ENV) {
  const variables = new DeckVariables(text, env);
  const result = yamlToJson(variables.text, variables.replace);
  if ('refused' in result) throw new Error(variables.hide(result.refused));
  return { value: JSON.parse(result.json), variables };
}
const env = (name: string, behind = '') => `\${{ env "${name}"${behind} }}`;

describe("decK's variables in a file", () => {
  it('stand for texts, however they are quoted, and are no YAML themselves', () => {
    const text = [
      `plain: ${env('DECK_TOKEN')}`,
      `double: "${env('DECK_TOKEN')}"`,
      `single: '${env('DECK_TOKEN')}'`,
      `flow: { a: ${env('DECK_TOKEN')}, b: [${env('DECK_TOKEN')}] }`,
      `block: |-\n  ${env('DECK_TOKEN', ' | indent 2')}`,
      `within: "a-${env('DECK_PORT')}-b"`,
      `raw: \${{env \`DECK_PORT\`}}x`,
      `"${env('DECK_PORT')}": key`,
      `# ${env('DECK_NONE')}`,
    ].join('\n');
    const token = ENV.DECK_TOKEN;
    assert.deepEqual(read(text).value, {
      ...{ plain: token, double: token, single: token, flow: { a: token, b: [token] }, block: token },
      ...{ within: 'a-8200-b', raw: '8200x', 8200: 'key' },
    });
  });

  it('are numbers and booleans where YAML would take them for such, or where the file says so', () => {
    const text = [
      `a: ${env('DECK_PORT')}`,
      `b: "${env('DECK_PORT')}"`,
      `c: ${env('DECK_PORT', ' | toInt')}`,
      `d: ${env('DECK_PORT', ' | toFloat')}`,
      `e: ${env('DECK_ON', '|toBool')}`,
      `f: ${env('DECK_ON')}`,
      `g: ${env('DECK_EMPTY')}`,
      `h: "${env('DECK_EMPTY')}"`,
    ].join('\n');
    assert.deepEqual(read(text).value, { a: 8200, b: '8200', c: 8200, d: 8200, e: true, f: 'T', g: null, h: '' });
    for (const step of ['toInt', 'toFloat', 'toBool']) {
      assert.throws(() => read(`a: ${env('DECK_TOKEN', ` | ${step}`)}`), /a variable that the file names is no /);
    }
  });

  it('are only those of decK, which must be set', () => {
    assert.throws(() => read(`a: ${env('OTHER')}`), /variable OTHER: only names that begin with DECK_ are allowed/);
    assert.throws(() => read(`a: ${env('DECK_NONE')}`), /variable DECK_NONE, which is not set/);
    for (const wrong of ['env DECK_PORT', 'printf "x"', 'env "DECK_PORT" "OTHER"', '']) {
      assert.throws(() => read(`a: \${{ ${wrong} }}`), /a \$\{\{ \}\} of the file is not understood/);
    }
    assert.throws(() => read(`a: ${env('DECK_PORT', ' | quote')}`), /has \| quote: there are toInt/);
  });

  it('are put in once: a value that looks like a variable is a text', () => {
    const nested = { DECK_A: env('DECK_B'), DECK_B: 'canary' };
    assert.deepEqual(read(`a: ${env('DECK_A')}`, nested).value, { a: env('DECK_B') });
  });

  it('are not shown by an error that quotes what is wrong', () => {
    const { variables } = read(`a: ${env('DECK_TOKEN')}`);
    for (const form of [ENV.DECK_TOKEN, JSON.stringify(ENV.DECK_TOKEN)]) {
      assert.equal(variables.hide(`invalid value: ${form}`).includes('lines'), false);
      assert.match(variables.hide(`invalid value: ${form}`), /\(DECK_TOKEN\)/);
    }
  });
});
