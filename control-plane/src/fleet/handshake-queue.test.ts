import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { HandshakeQueue } from './handshake-queue.ts';

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort: number;
  destroyed = false;

  constructor(port: number) {
    super();
    this.remotePort = port;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

function stage(mostAtOnce = 2) {
  const clock = new FakeClock();
  const queue = new HandshakeQueue({ clock, mostAtOnce });
  const begun: number[] = [];
  const connect = (port: number, { speaks = true } = {}) => {
    const socket = new FakeSocket(port);
    queue.enter(socket as unknown as Socket, () => begun.push(port));
    if (speaks) socket.emit('readable');
    return socket;
  };
  return { clock, queue, begun, connect };
}

describe('the queue of handshakes', () => {
  it('lets so many go on at once, and the others in the order in which they spoke', () => {
    const { queue, begun, connect } = stage();
    const late = connect(1, { speaks: false });
    const sockets = [2, 3, 4, 5].map((port) => connect(port));
    late.emit('readable');
    assert.deepEqual(begun, [2, 3]);
    queue.leave(sockets[1]!);
    assert.deepEqual(begun, [2, 3, 4]);
    queue.leave(sockets[1]!);
    assert.deepEqual(begun, [2, 3, 4], 'a turn ends once');
    sockets[0]!.destroy();
    sockets[2]!.destroy();
    assert.deepEqual(begun, [2, 3, 4, 5, 1]);
  });

  it('gives no turn to one that has gone meanwhile, or has waited too long', async () => {
    const { clock, queue, begun, connect } = stage(1);
    const first = connect(1);
    const gone = connect(2);
    const impatient = connect(3);
    gone.destroy();
    await clock.advance(2_500);
    const patient = connect(4);
    await clock.advance(400);
    queue.leave(first);
    assert.deepEqual(begun, [1, 3]);
    const tooLate = connect(5);
    await clock.advance(2_900);
    assert.deepEqual(begun, [1, 3]);
    await clock.advance(100);
    assert.deepEqual(begun, [1, 3, 4], 'a handshake that lasts counts for three seconds only');
    assert.ok(!impatient.destroyed && !patient.destroyed);
    connect(6);
    await clock.advance(2_000);
    assert.ok(!tooLate.destroyed);
    await clock.advance(1_000);
    assert.ok(tooLate.destroyed);
    assert.deepEqual(begun, [1, 3, 4, 6]);
  });

  it('is not held up by connections that say nothing, and closes them after ten seconds', async () => {
    const { clock, begun, connect } = stage();
    const silent = Array.from({ length: 50 }, (_, index) => connect(100 + index, { speaks: false }));
    connect(1);
    connect(2);
    assert.deepEqual(begun, [1, 2]);
    await clock.advance(9_999);
    assert.ok(silent.every(({ destroyed }) => !destroyed));
    await clock.advance(1);
    assert.ok(silent.every(({ destroyed }) => destroyed));
    assert.equal(clock.pending, 0);
  });
});
