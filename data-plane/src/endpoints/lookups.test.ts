import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { Client } from '../auth/client.ts';
import { Policy } from '../auth/policy.ts';
import type { Resolver } from '../cache/resolver.ts';
import type { Refusals } from '../limits/refusals.ts';
import { Lookups } from './lookups.ts';

it('a policy that fails allows nothing, at no door', async () => {
  const policy = new Policy(['{vault://aws/app/*}']);
  policy.verdict = () => {
    throw new TypeError('a fault in the policy');
  };
  const reached = () => assert.fail('the resolver was asked');
  const resolver = { resolve: reached, watch: reached, resolveMany: async (asked: string[]) => asked.map(reached) };
  const refused: string[] = [];
  const refusals = { add: (reason: string) => refused.push(reason) };
  const lookups = new Lookups(resolver as unknown as Resolver, refusals as unknown as Refusals);
  const client = new Client(systemClock, 'app', policy);
  const reference = '{vault://aws/app/db}';

  assert.throws(() => lookups.one(client, reference, {}), { code: 'bad_token' });
  assert.throws(() => lookups.watch(client, reference, () => {}), { code: 'bad_token' });
  const [outcome] = await lookups.many(client, [reference], {});
  assert.equal((outcome as { code?: string }).code, 'bad_token');
  assert.deepEqual(refused, ['policy', 'policy', 'policy']);
});
