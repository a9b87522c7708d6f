import { createServer } from 'node:net';
import { join } from 'node:path';
import { listenAs, SocketInUse } from './claimed-socket.ts';
import { StartError } from './errors.ts';
import { fileError, shownPath } from './shown-text.ts';

/** Another process has this data_dir open. */
export class DataDirInUse extends StartError {}

/**
 * Holds a data_dir for this process. The lock is a Unix socket that is listened on, since the kernel takes that away with
 * the process, however it dies; a process id in a file could be somebody else's by now (in a container it is always 1).
 *
 * @param name of the lock in data_dir: who else wants one of that name is kept out
 * @returns what gives the lock up
 * @throws DataDirInUse; StartError where the file system has no sockets or can't be written
 */
export async function lockDataDir(dataDir: string, name: string): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy());
  let remove: () => void;
  try {
    remove = await listenAs(server, join(dataDir, name));
  } catch (error) {
    if (!(error instanceof SocketInUse))
      throw new StartError(fileError('data_dir ', dataDir, "can't be locked", error));
    throw new DataDirInUse(
      `data_dir ${shownPath(dataDir)} is in use by another process; stop that one, or set another data_dir`,
    );
  }
  server.unref();
  return async () => {
    remove();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
}
