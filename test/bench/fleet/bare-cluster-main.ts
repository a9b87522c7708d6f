// What a control plane's link costs at least: the same TLS and WebSocket, and bytes that are given.
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { serveParent } from './program.ts';

const sockets = new Set<WebSocket>();
let answers: Uint8Array[] = [];

serveParent({
  listen: async ({ cert, key }: { cert: string; key: string }): Promise<string> => {
    const server = createServer({
      cert,
      key,
      ca: cert,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    });
    const webSockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
    webSockets.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => {});
      // The first message is a hello; what comes later is read, and that is all.
      socket.once('message', () => {
        for (const bytes of answers) socket.send(bytes);
        socket.on('message', () => {});
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `wss://127.0.0.1:${(server.address() as AddressInfo).port}/v1/cluster`;
  },
  answerHelloWith: (bytes: Uint8Array[]) => {
    answers = bytes;
  },
  broadcast: (bytes: Uint8Array) => {
    for (const socket of sockets) socket.send(bytes);
  },
});
