// The doors for applications as a process of their own, over a scripted vault; for tests of load. Talks by IPC.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiBench } from './api-bench.ts';

export interface ApiProgramFacts {
  port: number;
  token: string;
  connections: number;
  watchers: number;
  refusals: Record<string, number>;
  rssBytes: number;
  /** Lines of the log that tell of an error of ours. */
  errors: number;
}

const folder = mkdtempSync(join(tmpdir(), 'vaultplane-load-'));
const bench = await ApiBench.start({ folder });
bench.vault.set('small', { value: 'v'.repeat(64) });
for (let index = 0; index < 200; index++) bench.vault.set(`large-${index}`, { value: 'x'.repeat(60_000) });
bench.configure({ sm: { ttl: 0 } });

process.on('message', async (message) => {
  if (message === 'rotate') bench.vault.set('small', { value: 'w'.repeat(64) });
  if (message === 'stop') {
    await bench.stop();
    rmSync(folder, { recursive: true, force: true });
    process.disconnect?.();
    return;
  }
  const facts: ApiProgramFacts = {
    port: bench.port,
    token: bench.token,
    connections: bench.server.connections.count,
    watchers: bench.server.watchers.count,
    refusals: bench.refusals.counts(),
    rssBytes: process.memoryUsage.rss(),
    errors: bench.log.lines().filter(({ level }) => level === 'error').length,
  };
  process.send!(facts);
});
process.send!('ready');
