import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { it } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { sharedFrame } from './shared-frame.ts';

it('a frame is read as the message that it was made of, whatever its length, among others that ws makes', async () => {
  const messages = [1, 125, 126, 65_535, 65_536, 300_000].map((length) => randomBytes(length));
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  await once(server, 'listening');
  server.on('connection', (socket, request) => {
    const connection: Socket = request.socket;
    for (const message of messages) {
      connection.write(sharedFrame(message));
      socket.send(String(message.length));
    }
    socket.close();
  });
  try {
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as { port: number }).port}`);
    const came: Buffer[] = [];
    client.on('message', (data, isBinary) => came.push(isBinary ? (data as Buffer) : Buffer.from(`text ${data}`)));
    const [code] = await once(client, 'close');
    assert.equal(code, 1005);
    assert.deepEqual(
      came,
      messages.flatMap((message) => [message, Buffer.from(`text ${message.length}`)]),
    );
  } finally {
    server.close();
  }
});

it('is made once', () => {
  const message = randomBytes(400);
  assert.equal(sharedFrame(message), sharedFrame(message));
});
