import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { yamlToJson } from '../admin-api/yaml-worker.ts';

function read(text: string): unknown {
  const result = yamlToJson(text);
  if ('refused' in result) throw new Error(result.refused);
  return JSON.parse(result.json);
}

describe('YAML merges', () => {
  it('give a mapping what it does not have itself; of several the first wins', () => {
    const text = `
.base: &base { region: us-east-1, ttl: 60 }
.more: &more { ttl: 7, neg_ttl: 5 }
vaults:
  - config: { <<: *base, ttl: 300 }
  - config: { <<: [*more, *base] }
  - { config: { <<: { ttl: 1 } } }
  - &whole { name: aws, config: { <<: *base } }
  - { <<: *whole, prefix: other }
`;
    assert.deepEqual((read(text) as { vaults: unknown }).vaults, [
      { config: { ttl: 300, region: 'us-east-1' } },
      { config: { ttl: 7, neg_ttl: 5, region: 'us-east-1' } },
      { config: { ttl: 1 } },
      { name: 'aws', config: { region: 'us-east-1', ttl: 60 } },
      { name: 'aws', config: { region: 'us-east-1', ttl: 60 }, prefix: 'other' },
    ]);
  });

  it('make __proto__ a member like any other', () => {
    const text = 'a: &a { "__proto__": 1 }\nb: { <<: *a }';
    assert.deepEqual(Object.keys((read(text) as { b: object }).b), ['__proto__']);
  });

  it('are refused where they merge no mapping, or themselves', () => {
    for (const wrong of ['a: { <<: 7 }', 'a: { <<: [x] }', 'a: { <<: [[{ b: 1 }]] }', 'a: { <<: null }']) {
      assert.throws(() => read(wrong), /a merge \(<<\) of what is neither a mapping nor a list of mappings/);
    }
    for (const cycle of ['a: &a { <<: *a }', 'a: &a { b: { <<: *a } }', 'a: &a [*a, *a, { <<: {} }]']) {
      assert.throws(() => read(cycle), /more than 32 levels of nesting/);
    }
  });

  it('may be in every vault', () => {
    const vaults = Array.from({ length: 2000 }, (_, i) => `- { prefix: v${i}, config: { <<: *base } }`);
    const { vaults: found } = read(`.base: &base { ttl: 60 }\nvaults:\n${vaults.join('\n')}`) as { vaults: object[] };
    assert.deepEqual([found.length, found.at(-1)], [2000, { prefix: 'v1999', config: { ttl: 60 } }]);
  });

  it('take no longer for merges of merges, and make no more than a document may have', () => {
    // Each level merges that before it twice.
    const tower = (levels: number) => {
      const mappings = Array.from({ length: levels }, (_, i) => {
        return `m${i + 1}: &m${i + 1} { <<: [*m${i}, *m${i}], k${i}: 1 }`;
      });
      return `m0: &m0 { k: 1 }\n${mappings.join('\n')}`;
    };
    assert.equal(Object.keys((read(tower(6)) as { m6: object }).m6).length, 7);
    const before = performance.now();
    assert.throws(() => read(tower(30)), /Excessive alias count/);
    assert.ok(performance.now() - before < 2000, `${performance.now() - before} ms`);

    // 900 mappings of 400 members each.
    const wide = `b: &b { ${Array.from({ length: 400 }, (_, i) => `k${i}: 1`).join(', ')} }\n`;
    const users = Array.from({ length: 900 }, (_, i) => `v${i}: { <<: *b }`).join('\n');
    assert.throws(() => read(wide + users), /merges of more than 200000 members/);
  });
});
