import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { vectors } from '@vaultplane/testkit/vectors.ts';
import { startResolver } from './resolver.ts';
import { type Script, ScriptedVault } from './testing/scripted-vault.ts';

type Expected = { value: string; state: string } | { error: string };
interface Step {
  at: number;
  upstream?: string;
  get?: Expected;
  gets?: number;
  expectEach?: Expected;
  calls?: number;
  callsSince?: { mark: string; is: number };
  mark?: string;
  refresh?: true;
  reconfigure?: VaultConfig;
}
interface Timeline {
  name: string;
  ttl: number;
  neg_ttl: number;
  resurrect_ttl: number;
  steps: Step[];
}

const REFERENCE = '{vault://my-vault/secret-name}';
// Any start will do, and a real one shows that nothing is reckoned from zero.
const START_MS = Date.UTC(2026, 10, 24);

async function outcomeOf(lookup: () => unknown): Promise<Expected> {
  try {
    const { value, state } = (await lookup()) as { value: string; state: string };
    return { value, state };
  } catch (error) {
    return { error: (error as VaultplaneError).code };
  }
}

function scriptOf(upstream: string): Script {
  if (upstream === 'not_found' || upstream === 'denied' || upstream === 'down') return upstream;
  return { value: upstream };
}

describe('lifecycle vectors', () => {
  for (const { name, steps, ttl, neg_ttl, resurrect_ttl } of vectors<{ timelines: Timeline[] }>('lifecycle')
    .timelines) {
    it(name, async () => {
      const clock = new FakeClock(START_MS);
      const vault = new ScriptedVault();
      const settings = { cache_max_entries: 10, cache_max_bytes: 1_000_000 };
      const resolver = startResolver({ clock, log: silentLog, env: {}, settings, random: () => 0.5, backends: vault });
      let config: VaultConfig = { region: 'us-east-1', ttl, neg_ttl, resurrect_ttl };
      let version = 0;
      const configure = () => {
        const entity = { id: 'b0a1', prefix: 'my-vault', name: 'aws', description: null, tags: null };
        const vaults = [{ ...entity, config, created_at: 1, updated_at: ++version }];
        resolver.configure({ snapshot: makeSnapshot('7f', version, vaults), defaults: {} });
      };
      configure();
      const marks = new Map<string, number>();
      for (const step of steps) {
        await clock.advanceTo(START_MS + step.at * 1000);
        const where = `at ${step.at}: ${JSON.stringify(step)}`;
        if (step.upstream) vault.fallback = scriptOf(step.upstream);
        if (step.reconfigure) {
          config = { ...config, ...step.reconfigure };
          configure();
        }
        if (step.refresh) await resolver.resolve(REFERENCE, { refresh: true });
        if (step.get) assert.deepEqual(await outcomeOf(() => resolver.resolve(REFERENCE)), step.get, where);
        if (step.gets) {
          const lookups = Array.from({ length: step.gets }, () => outcomeOf(() => resolver.resolve(REFERENCE)));
          for (const outcome of await Promise.all(lookups)) assert.deepEqual(outcome, step.expectEach, where);
        }
        if (step.mark) marks.set(step.mark, vault.calls);
        if (step.calls !== undefined) assert.equal(vault.calls, step.calls, where);
        if (step.callsSince) assert.equal(vault.calls - marks.get(step.callsSince.mark)!, step.callsSince.is, where);
      }
      assert.ok(clock.pending <= 1, 'there is one timer at most');
      await resolver.stop();
      assert.equal(clock.pending, 0, 'a stopped resolver has no timer');
    });
  }
});
