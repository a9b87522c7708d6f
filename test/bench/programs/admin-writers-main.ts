import { answerParent } from '../worker.ts';
import { PlainConnection } from './plain-connection.ts';

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
  const connections = await Promise.all(Array.from({ length: writers }, () => PlainConnection.open(adminUrl)));
  const write = async (connection: PlainConnection, index: number) => {
    const path = `/vaults/vault-${index % vaults}`;
    const description = `write ${index}`;
    const said = await connection.call('PUT', path, JSON.stringify({ name: 'env', description }));
    if (JSON.parse(said).description !== description) throw new Error(`PUT ${path}: ${said}`);
  };
  // The server knows its connections, and the code here is there, before it is measured.
  await Promise.all(connections.map((connection) => connection.call('GET', '/vaults')));
  let next = 0;
  const start = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      while (next < writes) await write(connection, from + next++);
    }),
  );
  return performance.now() - start;
});
