import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseEnvFile } from './env-file.ts';

it('reads a NAME=value a line: comments, blank lines, export, quotes and any character in a value', () => {
  const text = [
    '\ufeff# first',
    ' A=1 ',
    '',
    'export B="two # words"',
    'C=\'single "quoted"\'',
    'D=',
    'E=a=b#c',
    'F={vault://aws/db/password?ttl=5#2}',
    'G="half',
    'A=again\r',
  ].join('\n');
  assert.deepEqual(Object.fromEntries(parseEnvFile(text, 'x.env')), {
    ...{ A: 'again', B: 'two # words', C: 'single "quoted"', D: '', E: 'a=b#c' },
    ...{ F: '{vault://aws/db/password?ttl=5#2}', G: '"half' },
  });
});

it('names the line that is no assignment, and not what it says', () => {
  for (const line of ['canary', '=canary', '1A=canary', 'A B=canary', 'export canary']) {
    assert.throws(() => parseEnvFile(`OK=1\n\n${line}\n`, 'x.env'), {
      name: 'UsageError',
      message: 'x.env, line 3: it must have the form NAME=value',
    });
  }
});
