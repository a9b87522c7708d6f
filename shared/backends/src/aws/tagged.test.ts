import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { openAws } from '../testing/open-aws.ts';

describe('secrets with a tag', () => {
  it('are those that carry exactly it, whatever else is tagged alike; in any number', async () => {
    await using emulator = await startEmulator();
    const put = (name: string, tags: Record<string, string>) => emulator.putSecret('us-east-1', name, 'x', { tags });
    put('right', { team: 'web' });
    put('/also/right', { other: 'x', team: 'web' });
    put('other value', { team: 'webmaster' });
    put('other key', { teams: 'web' });
    put('crossed', { team: 'db', other: 'web' });
    put('untagged', {});
    put('empty', { team: '' });
    put('unusual', { 'Größe#1': 'weiß' });
    for (let index = 0; index < 230; index++) put(`many/${index}`, { many: 'yes' });
    await using aws = await openAws(emulator);
    const { backend } = aws;
    const find = async (key: string, value?: string) =>
      (await backend.findByTag!({ key, value }, new AbortController().signal)).sort();
    assert.deepEqual(await find('team', 'web'), ['/also/right', 'right']);
    assert.deepEqual(await find('team'), ['/also/right', 'crossed', 'empty', 'other value', 'right']);
    assert.deepEqual(await find('team', ''), ['empty']);
    assert.deepEqual(await find('Größe#1', 'weiß'), ['unusual']);
    assert.deepEqual(await find('nobody'), []);
    assert.equal((await find('many', 'yes')).length, 230);
    assert.equal(emulator.calls({ operation: 'GetSecretValue' }).length, 0);
  });

  it('that may not be listed, or can not be, are an error of the right kind', async () => {
    await using emulator = await startEmulator();
    await using aws = await openAws(emulator);
    const { backend } = aws;
    const find = () => backend.findByTag!({ key: 'team' }, new AbortController().signal);
    const order = (behaviour: Parameters<typeof emulator.order>[0]['behaviour']) =>
      emulator.order({ match: { operation: 'ListSecrets' }, behaviour, times: 1 });
    order({ kind: 'error', status: 400, code: 'AccessDeniedException' });
    await assert.rejects(find(), { code: 'access_denied', message: /the list of secrets with tag "team"/ });
    order({ kind: 'throttle' });
    await assert.rejects(find(), { code: 'unavailable', throttled: true });
    order({ kind: 'garbage' });
    await assert.rejects(find(), { code: 'unavailable' });
  });
});
