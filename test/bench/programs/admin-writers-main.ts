import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { answerParent } from '../worker.ts';

export interface Writers {
  adminUrl: string;
  writes: number;
  /** So many write at a time. */
  writers: number;
  /** Among so many vaults. */
  vaults: number;
  /** What the first write is numbered. */
  from: number;
}

/** Writes by the Admin API as clients do, from a process of their own. Answers how long they took, in milliseconds. */
await answerParent(async ({ adminUrl, writes, writers, vaults, from }: Writers) => {
  const agent = new Agent({ keepAlive: true, maxSockets: writers });
  const call = (method: string, path: string, body = '') =>
    new Promise<string>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      request(adminUrl + path, { method, agent, headers }, (answer) => {
        text(answer).then((said) => {
          if (answer.statusCode === 200) resolve(said);
          else reject(new Error(`${method} ${path}: ${answer.statusCode} ${said}`));
        }, reject);
      })
        .on('error', reject)
        .end(body);
    });
  const write = async (index: number) => {
    const path = `/vaults/vault-${index % vaults}`;
    const description = `write ${index}`;
    const said = await call('PUT', path, JSON.stringify({ name: 'env', description }));
    if (JSON.parse(said).description !== description) throw new Error(`PUT ${path}: ${said}`);
  };
  // Its connections, and its own code, are there before it is measured.
  await Promise.all(Array.from({ length: writers }, () => call('GET', '/vaults')));
  let next = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (next < writes) await write(from + next++);
    }),
  );
  return performance.now() - start;
});
