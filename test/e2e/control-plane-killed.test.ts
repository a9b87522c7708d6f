import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { Deployment } from './deployment.ts';

const KILLS = 50;
const WRITERS = ['a', 'b', 'c'];

interface Page {
  data: Array<{ prefix: string; version: number }>;
  next: string | null;
}

const deployment = new Deployment();
after(() => deployment.stop());

it(`an embedded control plane that is killed ${KILLS} times while it writes has all that it acknowledged, and no gap between versions`, async (t) => {
  const controlPlane = await deployment.planControlPlane('cp');
  const acknowledged = new Set<string>();
  let unanswered = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    const program = await controlPlane.start();
    // Another number of writes each time, so that the kill falls on another moment of them.
    const enough = acknowledged.size + (kill % 7) * 2;
    let killed: Promise<unknown> | undefined;
    const writer = async (name: string) => {
      for (let n = 0; ; n++) {
        const prefix = `k-${kill}-${name}-${n}`;
        const answer = await fetch(`${controlPlane.adminUrl}/vaults/${prefix}`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ name: 'env', description: 'x'.repeat(2000) }),
        });
        assert.equal(answer.status, 200);
        // An answer that began is an acknowledgement.
        acknowledged.add(prefix);
        if (acknowledged.size >= enough) killed ??= program.kill('SIGKILL');
      }
    };
    for (const { reason } of (await Promise.allSettled(WRITERS.map(writer))) as PromiseRejectedResult[]) {
      assert.ok(reason instanceof TypeError, reason);
      unanswered++;
    }
    assert.ok(killed, 'it ended by being killed');
    await killed;
  }

  const last = await controlPlane.start();
  const all = async (path: string) => {
    const rows: Page['data'] = [];
    for (let next: string | null = path; next !== null; ) {
      const page = (await controlPlane.get(next)) as unknown as Page;
      rows.push(...page.data);
      next = page.next;
    }
    return rows;
  };
  const vaults = await all('/vaults?size=1000');
  const kept = new Set(vaults.map(({ prefix }) => prefix));
  assert.deepEqual(
    [...acknowledged].filter((prefix) => !kept.has(prefix)),
    [],
  );
  const versions = (await all('/config/versions?size=1000')).map(({ version }) => version);
  assert.deepEqual(
    versions,
    Array.from({ length: vaults.length }, (_, index) => vaults.length - index),
  );
  t.diagnostic(`${KILLS} kills, ${acknowledged.size} writes acknowledged, ${kept.size} kept, ${unanswered} unanswered`);
  await last.stop();
});
