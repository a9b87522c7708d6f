import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import type { DataPlane } from '../fleet/data-plane-facts.ts';
import { TestDataPlane } from '../fleet/testing/test-data-plane.ts';
import type { Database } from '../store/database.ts';
import { openEmbeddedDatabase } from '../store/embedded-database.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';
import { type FleetEvent, FleetFeed, LOOK_EVERY_MS } from './fleet-feed.ts';

/** The events of a stream, one after the other. */
async function* eventsOf(
  url: string,
  signal: AbortSignal,
  headers: Record<string, string> = {},
): AsyncGenerator<FleetEvent> {
  const answer = await fetch(url, { signal, headers });
  assert.equal(answer.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  let text = '';
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, at)) ?? [];
      text = text.slice(at + 2);
      if (event) yield { event, data: JSON.parse(data!) } as FleetEvent;
    }
  }
}

describe('/clustering/events', () => {
  let database: Database;
  let cp: TestControlPlane;
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({ database });
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
  });

  it('tells everything first, then each version and each data plane that changes, and ends when the control plane stops', async () => {
    const early = await TestDataPlane.start({ controlPlane: cp });
    await early.untilVersion(0);
    const events = eventsOf(`${cp.adminUrl}/clustering/events`, new AbortController().signal);
    const next = async () => (await events.next()).value as FleetEvent;
    const first = [await next(), await next(), await next()];
    assert.deepEqual(
      first.map(({ event }) => event),
      ['config', 'database', 'data-planes'],
    );
    assert.deepEqual((first[1] as { data: object }).data, { reachable: true });
    const ids = (event: FleetEvent) => (event as { data: { changed: DataPlane[] } }).data.changed.map(({ id }) => id);
    assert.deepEqual(ids(first[2]!), [early.id]);

    await cp.call('PUT', '/vaults/my-vault', { name: 'env' });
    let event = await next();
    while (event.event !== 'config') event = await next();
    assert.equal(event.data.version, 1);

    const late = await TestDataPlane.start({ controlPlane: cp });
    await late.untilVersion(1);
    while (event.event !== 'data-planes' || !ids(event).includes(late.id)) event = await next();
    late.acknowledge();
    const acknowledged = (row: DataPlane) =>
      row.id === late.id && row.config_version === 1 && row.sync_status === 'normal';
    while (event.event !== 'data-planes' || !event.data.changed.some(acknowledged)) event = await next();
    await late.stop();
    while (
      event.event !== 'data-planes' ||
      !event.data.changed.some(({ id, connected }) => id === late.id && !connected)
    ) {
      event = await next();
    }
    await early.stop();

    const stopping = cp.stop();
    for (let rest = await events.next(); !rest.done; rest = await events.next());
    await stopping;
    cp = await startTestControlPlane({ database });
  });

  it('is for whoever has a token, as everything is', async () => {
    const own = await startTestControlPlane({ database, env: { VAULTPLANE_ADMIN_TOKEN: 'the-token-of-this-test' } });
    assert.equal((await own.call('GET', '/clustering/events')).status, 401);
    const stop = new AbortController();
    const events = eventsOf(`${own.adminUrl}/clustering/events`, stop.signal, {
      'kong-admin-token': 'the-token-of-this-test',
    });
    assert.equal((await events.next()).value?.event, 'config');
    stop.abort();
    const read = async () => {
      for await (const _ of events);
    };
    await assert.rejects(read, { name: 'AbortError' });
    await own.stop();
  });
});

it('a feed looks once a second however many listen, tells only what changed, and looks no more when nobody listens', async () => {
  const clock = new FakeClock();
  const row = (id: string, more: object = {}) => ({ id, last_seen: clock.now(), ...more }) as DataPlane;
  let rows = [row('a'), row('b')];
  let looks = 0;
  const position = { timeline: 't', version: 1, hash: 'h' };
  const publisher = { position, databaseError: undefined as string | undefined, follow: () => () => {} };
  const fleet = {
    dataPlanes: async () => {
      looks++;
      return rows;
    },
  };
  const feed = new FleetFeed({ fleet, publisher, clock, log: silentLog });
  const heard: FleetEvent[][] = [[], []];
  const stops = await Promise.all(heard.map((events) => feed.listen((event) => events.push(event))));
  assert.equal(looks, 1);
  assert.deepEqual(heard[0], heard[1]);
  for (const events of heard) events.length = 0;
  rows = rows.map((same) => ({ ...same, last_seen: 5 }));
  await clock.advance(LOOK_EVERY_MS);
  assert.deepEqual([looks, heard], [2, [[], []]], 'a mere last_seen is no news');
  rows = [row('b', { connected: true }), row('c')];
  await clock.advance(LOOK_EVERY_MS);
  assert.deepEqual(heard[1], [{ event: 'data-planes', data: { changed: rows, gone: ['a'] } }]);
  publisher.databaseError = 'away';
  rows = [];
  await clock.advance(LOOK_EVERY_MS);
  assert.deepEqual(heard[0]!.at(-1), { event: 'database', data: { reachable: false } });
  for (const stop of stops) stop();
  const before = looks;
  await clock.advance(10 * LOOK_EVERY_MS);
  assert.deepEqual([looks, clock.pending], [before, 0]);
});
