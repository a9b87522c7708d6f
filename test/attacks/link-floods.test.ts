// What a data plane that was taken over sends to its control plane: it has the cluster's certificate, and no bound of its own.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { TestDataPlane, type TestDataPlaneOptions } from '@vaultplane/control-plane/fleet/testing/test-data-plane.ts';
import type { Program } from '@vaultplane/local/program.ts';
import { encodeMessage, type HelloMessage } from '@vaultplane/model/protocol/protocol.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { type ControlPlane, Deployment } from '../e2e/deployment.ts';

const MB = 1024 * 1024;

describe('a control plane that a data plane floods', () => {
  let deployment: Deployment;
  let plan: ControlPlane;
  let program: Program;
  let link: TestDataPlaneOptions['controlPlane'];
  /** One that does nothing wrong, and is to notice nothing. */
  let honest: TestDataPlane;

  before(async () => {
    deployment = new Deployment();
    plan = await deployment.planControlPlane('cp');
    program = await plan.start();
    await plan.putVault('one', { name: 'env' });
    link = {
      clusterUrl: `wss://${plan.clusterAddress}/v1/cluster`,
      certificateFile: plan.clusterCert,
      keyFile: plan.clusterCertKey,
    };
    honest = await TestDataPlane.start({ controlPlane: link });
    await honest.untilVersion(1);
    honest.acknowledge();
  });
  after(async () => {
    await honest?.stop();
    await deployment?.stop();
  });

  /** Resident memory of the control plane: now, and at most so far. */
  const memory = () => {
    const status = readFileSync(`/proc/${program.pid}/status`, 'utf8');
    const read = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)![1]) * 1024;
    return { now: read('VmRSS'), peak: read('VmHWM') };
  };
  /** Does it with the control plane, and checks that this took little memory and harmed nobody. */
  const harmless = async (attack: () => Promise<void>, maxGrowth: number) => {
    // The peak begins anew (proc(5), clear_refs): a start takes more than what comes after it.
    writeFileSync(`/proc/${program.pid}/clear_refs`, '5');
    const before = memory();
    await attack();
    const grown = memory().peak - before.now;
    assert.ok(grown < maxGrowth, `${Math.round(grown / MB)} MB more`);
    assert.ok(program.running);
    assert.equal(honest.socket.readyState, honest.socket.OPEN);
    const version = (await plan.version()) + 1;
    await plan.putVault('one', { name: 'env', description: String(version) });
    await honest.untilVersion(version);
  };
  const refusals = async (reason: string) => {
    const text = await (await fetch(`${plan.statusUrl}/metrics`)).text();
    return Number(new RegExp(`links_refused_total\\{reason="${reason}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
  };
  const largeHello = (labels: HelloMessage['labels']) => (dataPlane: TestDataPlane) =>
    dataPlane.send(dataPlane.hello({ labels }));
  /** @returns what each link was told at its end */
  const onLinks = async (
    count: number,
    send: (dataPlane: TestDataPlane) => void,
  ): Promise<Array<string | undefined>> => {
    const codes: Array<string | undefined> = [];
    for (let left = count; left > 0; left -= 10) {
      await Promise.all(
        Array.from({ length: Math.min(left, 10) }, async () => {
          const dataPlane = await TestDataPlane.connect({ controlPlane: link });
          send(dataPlane);
          await dataPlane.closed;
          const last = dataPlane.messages.at(-1);
          codes.push(last?.type === 'refuse' ? last.code : undefined);
        }),
      );
    }
    return codes;
  };

  it('170 hellos of 3 MB are refused as they come, by name, and take no memory', { timeout: 120_000 }, async () => {
    const label = { a: 'x'.repeat(3_000_000) };
    await harmless(async () => {
      const codes = await onLinks(170, largeHello(label));
      // Whoever sends on may not get to read why; the log and the metrics say so of each.
      assert.ok(
        codes.every((code) => code === 'too_large' || code === undefined),
        String(codes),
      );
    }, 150 * MB);
    assert.ok((await refusals('too_large')) >= 170);
    assert.match(program.output, /a hello may have \d+ bytes/);
  });

  it('hellos of many labels, or of long ones, are refused', async () => {
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`l${index}`, 'x']));
    assert.deepEqual(await onLinks(1, largeHello(many)), ['bad_message']);
    assert.deepEqual(await onLinks(1, largeHello({ a: 'x'.repeat(257) })), ['bad_message']);
    assert.deepEqual(await onLinks(1, largeHello({ ['x'.repeat(129)]: 'a' })), ['bad_message']);
  });

  it('messages that claim lengths which they do not have take no memory', async () => {
    await harmless(async () => {
      const claims = Buffer.concat(Array.from({ length: 200 }, () => Buffer.from([0xdd, 1, 0, 0, 0])));
      const codes = await onLinks(20, (dataPlane) => dataPlane.socket.send(claims));
      assert.deepEqual(new Set(codes), new Set(['bad_message']));
    }, 100 * MB);
  });

  it('a message that begins and never ends is held only as long as all of them together are few bytes', {
    timeout: 120_000,
  }, async () => {
    const links: TestDataPlane[] = [];
    const begun = await refusals('too_much');
    await harmless(async () => {
      for (let count = 0; count < 150; count++) {
        const dataPlane = await TestDataPlane.start({ controlPlane: link });
        await dataPlane.until(({ types }) => types.includes('snapshot'));
        // Of the largest message that there may be all but the end.
        dataPlane.socket.send(Buffer.alloc(900 * 1024), { fin: false });
        links.push(dataPlane);
      }
      await until('the links that are too many are closed', async () => (await refusals('too_much')) > begun + 50);
    }, 300 * MB);
    await Promise.all(links.map((dataPlane) => dataPlane.stop()));
  });

  it('reports are bounded each, and in sum over all links', { timeout: 180_000 }, async () => {
    const links: TestDataPlane[] = [];
    const begun = await refusals('too_much');
    const text = (index: number) => ({ prefix: `vault-${index}`, reason: 'x'.repeat(1000) });
    const report = encodeMessage({
      type: 'report',
      references: { fresh: 0, stale: 0, resurrected: 0, negative: 0 },
      rejected_vaults: Array.from({ length: 900 }, (_, index) => text(index)),
    });
    await harmless(async () => {
      for (let count = 0; count < 120; count++) {
        const dataPlane = await TestDataPlane.start({ controlPlane: link });
        await dataPlane.until(({ types }) => types.includes('snapshot'));
        dataPlane.socket.send(report);
        links.push(dataPlane);
      }
      await until('those that tell too much are closed', async () => (await refusals('too_much')) > begun + 20);
    }, 700 * MB);
    await Promise.all(links.map((dataPlane) => dataPlane.stop()));
  });

  it('names of references that nobody else holds are bounded in sum over all links', { timeout: 240_000 }, async () => {
    const links: TestDataPlane[] = [];
    const begun = await refusals('too_much');
    await harmless(async () => {
      // 3.9 MB from each link at once: as much as it may bring without being slowed down.
      for (let count = 0; count < 40; count++) {
        const dataPlane = await TestDataPlane.start({ controlPlane: link });
        await dataPlane.until(({ types }) => types.includes('snapshot'));
        for (let message = 0; message < 5; message++) {
          dataPlane.send({
            type: 'references',
            names: Array.from({ length: 95 }, (_, index) => {
              const number = message * 95 + index;
              return [number, 'aws', `${count}-${number}-${'x'.repeat(8000)}`];
            }),
            held: [],
            gone: [],
            complete: false,
          });
        }
        links.push(dataPlane);
      }
      await until('those that tell too much are closed', async () => (await refusals('too_much')) > begun + 10);
    }, 500 * MB);
    await Promise.all(links.map((dataPlane) => dataPlane.stop()));
  });

  it('a reference of a high number is refused, and one of a late date harms no other row', async () => {
    const dataPlane = await TestDataPlane.start({ controlPlane: link });
    await dataPlane.until(({ types }) => types.includes('snapshot'));
    dataPlane.send({ type: 'references', names: [[99_999, 'aws', 'x']], held: [], gone: [], complete: true });
    await dataPlane.closed;
    assert.equal((dataPlane.messages.at(-1) as { code?: string }).code, 'bad_message');

    const late = await TestDataPlane.start({ controlPlane: link });
    const references = { fresh: 0, stale: 0, resurrected: 0, negative: 0 };
    late.send({ type: 'report', references, rejected_vaults: [], cert_expires_at: Number.MAX_SAFE_INTEGER });
    await late.closed;
    assert.doesNotMatch(program.output, /registry of data planes could not be written/);
  });

  it('pings whose answers nobody reads are not answered for ever', { timeout: 120_000 }, async () => {
    await harmless(async () => {
      const dataPlane = await TestDataPlane.start({ controlPlane: link });
      await dataPlane.until(({ types }) => types.includes('snapshot'));
      dataPlane.socket.pause();
      const ping = Buffer.alloc(125);
      for (let sent = 0; sent < 100_000; sent++) dataPlane.socket.ping(ping);
      // 12 MB, of which it takes no more than it lets any link bring.
      const { _socket: connection } = dataPlane.socket as unknown as { _socket: { bytesWritten: number } };
      const waiting = () => dataPlane.socket.bufferedAmount;
      await until('it takes no more at once', () => connection.bytesWritten > 4 * MB && waiting() > 2 * MB);
      await dataPlane.stop();
    }, 100 * MB);
  });
});
