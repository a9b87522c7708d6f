import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { StartError } from '../errors.ts';
import { listenAs, SocketInUse } from '../net/claimed-socket.ts';
import { fileError, shownPath } from '../text/shown-text.ts';
import { afterAlive } from '../time/clock.ts';

/** Another process has this data_dir open. */
export class DataDirInUse extends StartError {}

/** What the holder of a lock tells whoever wants it. */
const STOPPING = 'stopping';
const LOOK_EVERY_MS = 50;
const ANSWER_WITHIN_MS = 1000;

/**
 * Holds a data_dir for this process. The lock is a Unix socket that is listened on, since the kernel takes that away with
 * the process, however it dies; a process id in a file could be somebody else's by now (in a container it is always 1).
 */
export class DataDirLock {
  readonly #server: Server;
  readonly #remove: () => void;
  readonly #state: { text: string };

  private constructor(server: Server, remove: () => void, state: { text: string }) {
    this.#server = server;
    this.#remove = remove;
    this.#state = state;
  }

  /**
   * @param name of the lock in data_dir: who else wants one of that name is kept out
   * @param options.waitMs how long to wait for a holder that is stopping: it has its files to write still
   * @param options.onWait called where it is waited for
   * @throws DataDirInUse; StartError where the file system has no sockets or can't be written
   */
  static async take(
    dataDir: string,
    name: string,
    { waitMs = 0, onWait = () => {} }: { waitMs?: number; onWait?: () => void } = {},
  ): Promise<DataDirLock> {
    const path = join(dataDir, name);
    const state = { text: '' };
    const end = performance.now() + waitMs;
    for (let isFirst = true; ; isFirst = false) {
      const server = createServer((socket) => socket.on('error', () => {}).end(state.text));
      try {
        const remove = await listenAs(server, path);
        server.unref();
        return new DataDirLock(server, remove, state);
      } catch (error) {
        if (!(error instanceof SocketInUse))
          throw new StartError(fileError('data_dir ', dataDir, "can't be locked", error));
        if (performance.now() >= end || (await toldBy(path)) !== STOPPING) {
          throw new DataDirInUse(
            `data_dir ${shownPath(dataDir)} is in use by another process; stop that one, or set another data_dir`,
          );
        }
      }
      if (isFirst) onWait();
      await new Promise<void>((resolve) => afterAlive(LOOK_EVERY_MS, resolve));
    }
  }

  /** It is about to be released: whoever wants it may wait. */
  stopping(): void {
    this.#state.text = STOPPING;
  }

  async release(): Promise<void> {
    this.#remove();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** What a holder says, or STOPPING where there is none any more. */
function toldBy(path: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(path);
    const cancel = afterAlive(ANSWER_WITHIN_MS, () => socket.destroy());
    socket.on('data', (bytes) => (text += bytes));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED' || code === 'ENOENT') text = STOPPING;
    });
    socket.once('close', () => {
      cancel();
      resolve(text);
    });
  });
}
