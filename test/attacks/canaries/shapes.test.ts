import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leaksOf } from './scene.ts';
import { canaries, showings } from './shapes.ts';

describe('the search for canaries', () => {
  it('finds every part of every secret of each shape, in capitals or not, wherever it stands', () => {
    const all = canaries();
    for (const canary of all) {
      for (const secret of canary.secrets) {
        for (let at = 0; at + 10 <= secret.length; at++) {
          const part = secret.slice(at, at + 10);
          const texts = [part, `${part.toUpperCase()}|behind`, `|${part.toLowerCase()}`, `a\nb İ ü 日本|${part}\nc`];
          for (const text of texts) {
            const found = showings(text, [canary, all[0]!]);
            assert.deepEqual([found.length, found[0]?.canary], [1, canary], text);
            assert.equal(text.slice(found[0]!.at, found[0]!.at + 10).toLowerCase(), part.toLowerCase());
          }
        }
      }
    }
  });

  it('finds less than a part nowhere', () => {
    const all = canaries();
    for (const { secrets } of all) {
      const short = secrets.flatMap((secret) => secret.match(/.{9}/g) ?? []);
      assert.deepEqual(showings(short.join('\n'), all), []);
    }
    assert.deepEqual(showings('', all), []);
  });

  it('names the setting, the shape, the part and the line', () => {
    const [pem, ...others] = canaries();
    const part = pem!.secrets[1]!.slice(3, 13);
    const said = `one\ntwo ${part} two\nthree`;
    assert.deepEqual(leaksOf('a program: a_setting', said, [pem!, ...others]), [
      `a program: a_setting, pem: ${part.toLowerCase()} in two ${part} two`,
    ]);
  });
});
