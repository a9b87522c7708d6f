import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadDataPlaneSettings } from '../settings.ts';
import { parsePrefetch } from './prefetch-setting.ts';

const of = async (prefetch: string) => {
  const { prefetch: list } = await loadDataPlaneSettings({ env: { VAULTPLANE_PREFETCH: prefetch } });
  return parsePrefetch(list ?? []);
};

describe('prefetch', () => {
  it('names references and tags, of aws or of another vault', async () => {
    assert.deepEqual(await of('{vault://one/a/b}, tag:team, tag:team=web ,tag:team@one,tag:team=web@one'), [
      { reference: '{vault://one/a/b}' },
      { tag: { key: 'team' }, vault: 'aws' },
      { tag: { key: 'team', value: 'web' }, vault: 'aws' },
      { tag: { key: 'team' }, vault: 'one' },
      { tag: { key: 'team', value: 'web' }, vault: 'one' },
    ]);
  });

  it('that is one reference, or begins and ends with one, is no setting to be resolved', async () => {
    assert.deepEqual(await of('{vault://aws/a}'), [{ reference: '{vault://aws/a}' }]);
    assert.deepEqual(await of('{vault://aws/a},{vault://env/b}'), [
      { reference: '{vault://aws/a}' },
      { reference: '{vault://env/b}' },
    ]);
  });

  it('keeps commas of references, and signs of values', async () => {
    assert.deepEqual(await of('{vault://one/a,b},tag:a=b=c,tag:owner=x@example.com,tag:empty=,tag:at=x@y-z@aws'), [
      { reference: '{vault://one/a,b}' },
      { tag: { key: 'a', value: 'b=c' }, vault: 'aws' },
      { tag: { key: 'owner', value: 'x@example.com' }, vault: 'aws' },
      { tag: { key: 'empty', value: '' }, vault: 'aws' },
      { tag: { key: 'at', value: 'x@y-z' }, vault: 'aws' },
    ]);
  });

  it('that is wrong stops the start and says what is allowed', async () => {
    for (const [item, says] of [
      ['team=web', /"team=web" is not allowed; each must be a reference, tag:KEY/],
      ['tag:', /"tag:" is not allowed/],
      ['{vault://one/a', /prefetch: \{vault:\/\/one\/a is not allowed: a reference has the form/],
      ['{vault://one/a?endpoint_url=x}', /can't set "endpoint_url"/],
    ] as const) {
      await assert.rejects(of(item), { name: 'StartError', message: says });
    }
  });
});
