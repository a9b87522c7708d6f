import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { FakeClock } from '@vaultplane/shared/testing/fake-clock.ts';
import { until } from '@vaultplane/shared/testing/until.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { ApiBench } from './testing/api-bench.ts';

const REFERENCES = Array.from({ length: 400 }, (_, index) => `{vault://sm/large/${index}}`);

describe('a call on which nothing moves', () => {
  const folder = temporaryFolder();
  const clock = new FakeClock(Date.UTC(2026, 10, 25));
  let bench: ApiBench;
  before(async () => {
    bench = await ApiBench.start({ folder, clock });
    for (const index of REFERENCES.keys()) bench.vault.set(`large/${index}`, { value: 'x'.repeat(60_000) });
    bench.configure({ sm: { ttl: 3600 } });
  });
  after(() => bench.stop());

  const begin = async (text: string): Promise<Socket> => {
    const socket = connect(bench.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  };
  const post = (body: string, length = body.length) =>
    `POST /v1/resolve HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Vault-Token: ${bench.token}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`;
  const connections = () => [...bench.server.connections.sockets()];

  it('is cut after 30 s where the rest of it does not come, and not while it comes', async () => {
    const socket = await begin(post('{', 100));
    await until('the head has come', () => connections().some(({ bytesRead }) => bytesRead > 0));
    const [connection] = connections();
    for (let part = 0; part < 5; part++) {
      const { bytesRead } = connection!;
      socket.write(' ');
      await until('a byte more has come', () => connection!.bytesRead > bytesRead);
      await clock.advance(25_000);
    }
    assert.equal(bench.server.connections.count, 1);
    await clock.advance(10_000);
    await until('it is cut', () => bench.server.connections.count === 0);
    socket.destroy();
  });

  it('is cut after 30 s where its answer is not read, and not while it is read slowly', async () => {
    const ask = post(JSON.stringify({ references: REFERENCES }));
    const unread = async () => {
      const socket = await begin(ask);
      socket.pause();
      await until('the answer waits to be read', () => unsentBytes(connections().at(-1)!) > 0);
      return socket;
    };
    const slow = await unread();
    const [connection] = connections();
    for (let part = 0; part < 2; part++) {
      await clock.advance(20_000);
      const before = unsentBytes(connection!);
      await until('some more has been taken', () => {
        slow.read();
        return unsentBytes(connection!) < before;
      });
    }
    const never = await unread();
    await clock.advance(5_000);
    assert.equal(bench.server.connections.count, 2);
    slow.resume();
    await until('all has been taken', () => unsentBytes(connection!) === 0);
    await clock.advance(30_000);
    await until('it is cut', () => connections().length === 1 && connections()[0] === connection);
    slow.destroy();
    never.destroy();
    await until('it is gone', () => connections().length === 0);
  });

  it('is not a connection that waits for the next call, nor a watch', async () => {
    const kept = await begin(post('{"references":[]}'));
    const [answer] = await once(kept, 'data');
    assert.match(String(answer), /^HTTP\/1\.1 /);
    const watch = await begin(
      `GET /v1/watch?ref=${encodeURIComponent('{vault://sm/large/0}')} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Vault-Token: ${bench.token}\r\n\r\n`,
    );
    await once(watch, 'data');
    watch.resume();
    for (let minutes = 0; minutes < 10; minutes++) await clock.advance(60_000);
    assert.equal(bench.server.connections.count, 2);
    kept.write(post('{"references":[]}'));
    await once(kept, 'data');
    kept.destroy();
    watch.destroy();
  });
});

/** Bytes of an answer that the kernel has not taken. */
function unsentBytes(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { _handle?: { writeQueueSize: number } };
  return socket.writableLength + (handle?.writeQueueSize ?? 0);
}
