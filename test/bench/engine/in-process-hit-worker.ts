// Lookups a second of one subject, each answer compared with what it must be.
import { startResolver } from '@vaultplane/data-plane/cache/resolver.ts';
import { ScriptedVault } from '@vaultplane/data-plane/cache/testing/scripted-vault.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { createCache } from 'async-cache-dedupe';
import { LRUCache } from 'lru-cache';
import type { Figures } from '../benchmark.ts';
import { answerParent } from '../worker.ts';

export type Subject = 'vaultplane' | 'Map.get' | 'async-cache-dedupe' | 'lru-cache fetch';
export interface HitInput {
  subject: Subject;
  references: number;
  lookups: number;
}

/** A lookup: the value, or a promise of it. */
type Lookup = (reference: string) => unknown;

async function lookUp(order: Uint32Array, keys: string[], look: Lookup): Promise<void> {
  for (let index = 0; index < order.length; index++) {
    if (look(keys[order[index]!]!) === undefined) throw new Error('a lookup gave nothing');
  }
}

async function lookUpWaiting(order: Uint32Array, keys: string[], look: Lookup): Promise<void> {
  for (let index = 0; index < order.length; index++) {
    if ((await look(keys[order[index]!]!)) === undefined) throw new Error('a lookup gave nothing');
  }
}

const asIs = (found: unknown) => found;

const SUBJECTS: Record<
  Subject,
  (keys: string[], values: string[]) => Promise<{ look: Lookup; textOf: (found: unknown) => unknown }>
> = {
  'Map.get': async (keys, values) => {
    const map = new Map(keys.map((key, index) => [key, values[index]!]));
    return { look: (key) => map.get(key), textOf: asIs };
  },
  'async-cache-dedupe': async (keys, values) => {
    const byKey = new Map(keys.map((key, index) => [key, values[index]!]));
    const cache = createCache({ ttl: 3600, storage: { type: 'memory', options: { size: 2 * keys.length } } }).define(
      'secret',
      async (key: string) => byKey.get(key)!,
    );
    return { look: (key) => cache.secret(key), textOf: asIs };
  },
  'lru-cache fetch': async (keys, values) => {
    const byKey = new Map(keys.map((key, index) => [key, values[index]!]));
    const cache = new LRUCache<string, string>({
      max: 2 * keys.length,
      ttl: 3_600_000,
      fetchMethod: async (key) => byKey.get(key)!,
    });
    return { look: (key) => cache.fetch(key), textOf: asIs };
  },
  vaultplane: async (keys, values) => {
    const vault = new ScriptedVault();
    for (const [index, value] of values.entries()) {
      vault.set(`app/secret-${index}`, { value: JSON.stringify({ password: value }), id: `v${index}` });
    }
    const resolver = startResolver({
      clock: systemClock,
      log: silentLog,
      env: {},
      settings: {
        cache_max_entries: 2 * keys.length,
        cache_max_bytes: 4 * 1024 ** 3,
        vault_aws_region: 'us-east-1',
        vault_aws_ttl: 3600,
      },
      backends: vault,
    });
    for (let at = 0; at < keys.length; at += 1000) await resolver.resolveMany(keys.slice(at, at + 1000));
    return {
      look: (key) => resolver.resolve(key),
      textOf: (found) => (found as { value: string }).value,
    };
  },
};

/** The same for every subject: a linear congruential generator. Source of its constants: Numerical Recipes. */
function randomOrder(below: number, length: number): Uint32Array {
  const order = new Uint32Array(length);
  let state = 1;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    order[index] = (state >>> 4) % below;
  }
  return order;
}

/**
 * As it comes from a socket: flat. A text that was put together is made flat by whoever reads it first, among whatever
 * that one makes then; so where the keys lie in memory would be the subject's doing, and measured as its lookups'.
 */
function text(written: string): string {
  return Buffer.from(written).toString('latin1');
}

await answerParent(async ({ subject, references, lookups }: HitInput): Promise<Figures> => {
  const keys = Array.from({ length: references }, (_, index) => text(`{vault://aws/app/secret-${index}/password}`));
  const values = keys.map((_, index) => `value-${index}-${'x'.repeat(50)}`);
  const { look, textOf } = await SUBJECTS[subject](keys, values);
  const order = randomOrder(references, lookups);
  for (let index = 0; index < keys.length; index++) {
    const found = textOf(await look(keys[index]!));
    if (found !== values[index]) throw new Error(`${subject} answered ${keys[index]} with another value`);
  }
  const waits = look(keys[0]!) instanceof Promise;
  const round = waits ? lookUpWaiting : lookUp;
  await round(order.subarray(0, lookups >> 2), keys, look);
  const start = process.cpuUsage();
  await round(order, keys, look);
  const { user, system } = process.cpuUsage(start);
  return { rate: lookups / ((user + system) / 1e6), rss: process.memoryUsage.rss() };
});
