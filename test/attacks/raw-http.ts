import { connect, type Socket } from 'node:net';

/** An answer as it came, and the socket that it came by. */
export interface RawAnswer {
  status: number;
  head: string;
  text: string;
}

/** Opens a connection and sends these bytes. What becomes of it is the caller's. */
export function send(url: string, bytes: string | Buffer): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      socket.write(bytes);
      resolve(socket);
    }).once('error', reject);
  });
}

/**
 * Sends a request as these bytes and waits for the head of the answer, and for as much of its body as comes with it.
 *
 * @throws Error where none comes in time, or the connection ends without one
 */
export async function rawAnswer(url: string, bytes: string | Buffer, withinMs = 10_000): Promise<RawAnswer> {
  const socket = await send(url, bytes);
  try {
    return await new Promise((resolve, reject) => {
      let text = '';
      const late = setTimeout(() => reject(new Error(`no answer within ${withinMs} ms`)), withinMs);
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (!text.includes('\r\n\r\n')) return;
        clearTimeout(late);
        const [head = '', body = ''] = text.split('\r\n\r\n');
        resolve({ status: Number(text.split(' ')[1]), head: head.toLowerCase(), text: body });
      });
      socket.on('close', () => {
        clearTimeout(late);
        reject(new Error('the connection ended without an answer'));
      });
    });
  } finally {
    socket.destroy();
  }
}

/** The head of a request with these headers, up to its body. */
export function requestHead(method: string, path: string, headers: Record<string, string | number>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
