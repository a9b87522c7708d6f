import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeClock, settled } from '@vaultplane/testkit/fake-clock.ts';
import { ApiBench } from '../server/testing/api-bench.ts';
import { EventReader } from '../server/testing/event-reader.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

const A = '{vault://sm/a}';
const B = '{vault://sm/b}';

describe('/v1/watch', () => {
  const folder = temporaryFolder();
  const readers: EventReader[] = [];
  let clock: FakeClock;
  let bench: ApiBench;
  beforeEach(async () => {
    clock = new FakeClock(Date.UTC(2026, 10, 24));
    bench = await ApiBench.start({ folder, clock });
    bench.configure({ sm: { ttl: 10 } });
    bench.vault.set('a', { value: 'a1', id: 'a1' });
    bench.vault.set('b', { value: 'b1', id: 'b1' });
  });
  afterEach(async () => {
    for (const reader of readers.splice(0)) reader.close();
    const stopped = bench.stop();
    await clock.advance(60_000);
    await stopped;
  });
  const watch = async (references: string[], options: { lastEventId?: string; token?: string } = {}) => {
    const reader = await EventReader.open(bench, references, options);
    readers.push(reader);
    return reader;
  };
  /** Rotates, and lets the refresh that is due see it. */
  const rotate = async (name: string, value: string) => {
    bench.vault.set(name, { value, id: value });
    await clock.advance(10_000);
  };

  it('tells each value now and each rotation once, in order', async () => {
    const reader = await watch([A]);
    await reader.until(1);
    for (let version = 2; version <= 20; version++) await rotate('a', `a${version}`);
    await reader.until(20);
    assert.deepEqual(
      reader.values(),
      Array.from({ length: 20 }, (_, index) => `a${index + 1}`),
    );
    assert.equal(new Set(reader.events.map(({ id }) => id)).size, 20);
    assert.deepEqual(new Set(reader.events.map(({ event }) => event)), new Set(['value']));
  });

  it('tells changes of state, and errors', async () => {
    const reader = await watch([A, '{vault://sm/none}']);
    await reader.until(2);
    bench.vault.set('a', 'down');
    await clock.advance(10_000);
    await reader.until(3);
    bench.configure({});
    await reader.until(5);
    assert.deepEqual(
      reader.events.map(({ event, data }) => [event, data.reference, data.state ?? data.error.code]),
      [
        ['value', A, 'fresh'],
        ['error', '{vault://sm/none}', 'not_found'],
        ['value', A, 'resurrected'],
        ['error', A, 'unknown_vault'],
        ['error', '{vault://sm/none}', 'unknown_vault'],
      ],
    );
  });

  it('tells a reader that comes back only what it has not had', async () => {
    const first = await watch([A, B]);
    await first.until(2);
    first.close();
    const unchanged = await watch([A, B], { lastEventId: first.lastId! });
    await rotate('a', 'a2');
    await unchanged.until(1);
    assert.deepEqual(unchanged.values(), ['a2']);
    unchanged.close();
    await rotate('b', 'b2');
    // It had the rotation of a under its second watch, which remembers the first.
    const third = await watch([A, B], { lastEventId: unchanged.lastId! });
    await third.until(1);
    assert.deepEqual(third.values(), ['b2']);
    // From where it was in the middle, what came later comes again.
    const middle = await watch([A, B], { lastEventId: first.events[0]!.id });
    await middle.until(2);
    assert.deepEqual(middle.values().sort(), ['a2', 'b2']);
  });

  it('tells everything to a reader with an id from elsewhere', async () => {
    for (const lastEventId of ['x', 'AAAAAAAAAAAAAAAA.7', '']) {
      const reader = await watch([A], { lastEventId });
      await reader.until(1);
      assert.deepEqual(reader.values(), ['a1']);
    }
  });

  it('beats while nothing happens', async () => {
    const reader = await watch([A]);
    await reader.until(1);
    bench.configure({ sm: { ttl: 0 } });
    for (let beat = 1; beat <= 3; beat++) {
      await clock.advance(15_000);
      while (reader.comments < beat) await settled();
    }
    assert.equal(reader.events.length, 1);
  });

  it('lets a reader go that never reads, and the others do not notice', async () => {
    const other = await watch([A]);
    bench.vault.set('big', { value: 'x'.repeat(200_000) });
    const socket = connect(bench.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.pause();
    socket.write(
      `GET /v1/watch?ref=${encodeURIComponent('{vault://sm/big}')} HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: ${bench.token}\r\n\r\n`,
    );
    while (bench.server.watchers.count < 2) await settled();
    let version = 1;
    while (bench.server.watchers.count > 1) {
      assert.ok(version < 3000, 'it was never let go');
      bench.vault.set('big', { value: `${version}`.padEnd(200_000, 'x') });
      await rotate('a', `a${++version}`);
    }
    await other.until(version);
    assert.deepEqual(
      other.values(),
      Array.from({ length: version }, (_, index) => `a${index + 1}`),
    );
    assert.equal(bench.refusals.counts().slow_client, 1);
    socket.destroy();
  });

  it('brings a thousand large values to a slow reader without holding them all for it', async () => {
    bench.vault.fallback = { value: 'x'.repeat(60_000) };
    const references = Array.from({ length: 500 }, (_, index) => `{vault://sm/s${index}}`);
    const reader = await watch(references);
    await reader.until(500);
    assert.deepEqual(new Set(reader.events.map(({ data }) => data.reference)), new Set(references));
  });

  it('ends when the token is taken no more, and not before', async () => {
    const policiesFile = join(folder, 'policies.json');
    const write = (allow: string[]) =>
      writeFileSync(
        policiesFile,
        JSON.stringify({ policies: [{ name: 'app', token: 'app-token-4f9c1b7de2a85036', allow }] }),
      );
    write(['{vault://sm/a}']);
    const guarded = await ApiBench.start({ folder, policiesFile });
    try {
      guarded.configure({ sm: { ttl: 10 } });
      guarded.vault.set('a', { value: 'a1' });
      const reader = await EventReader.open(guarded, [A], { token: 'app-token-4f9c1b7de2a85036' });
      readers.push(reader);
      await reader.until(1);
      await guarded.access.look();
      assert.equal(reader.ended, false);
      write(['{vault://sm/b}']);
      await guarded.access.look();
      await reader.end();
      await assert.rejects(EventReader.open(guarded, [A], { token: 'app-token-4f9c1b7de2a85036' }), /HTTP 403/);
    } finally {
      await guarded.stop();
    }
  });

  it('ends in order when the data plane stops', async () => {
    const reader = await watch([A]);
    await reader.until(1);
    const stopped = bench.stop();
    await reader.end();
    await clock.advance(60_000);
    await stopped;
    assert.deepEqual(reader.values(), ['a1']);
  });
});
