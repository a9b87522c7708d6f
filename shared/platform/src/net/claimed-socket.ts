import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, lstatSync, renameSync, rmSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';

/** Longest path of a Unix socket on every system (Linux has 107, macOS 103). */
const MAX_PATH_BYTES = 103;
const MAX_TRIES = 10;

/** What there is at the path is somebody else's. */
export class SocketInUse extends Error {
  override readonly name = 'SocketInUse';
}

/**
 * Has a server listen on a Unix socket, and gives the socket its name only then: nobody finds one that does not answer yet,
 * or has another mode. A socket that nobody listens on any more is replaced; one that answers never is.
 *
 * libuv removes the name that a server was bound to when it closes, whoever's socket stands there by then. So the server is
 * bound to a name of its own, and `path` is a second one.
 *
 * @param options.mode of the socket
 * @returns what removes the name again, if it is still that of this socket; to be called before the server is closed
 * @throws SocketInUse; Error of the file system, such as EEXIST where something else has the name
 */
export async function listenAs(server: Server, path: string, { mode = 0o600 } = {}): Promise<() => void> {
  const folder = await Folder.of(path);
  try {
    const name = folder.at(basename(path));
    const bound = folder.at(`.${basename(path)}.${randomBytes(6).toString('hex')}`);
    await listen(server, bound, mode);
    try {
      const own = identityOf(bound)!;
      await claim(bound, name, own);
      // From here on by the path: the folder is not held open for longer.
      return () => removeIf(path, own);
    } catch (error) {
      server.close();
      throw error;
    } finally {
      rmSync(bound, { force: true });
    }
  } finally {
    await folder.close();
  }
}

/** A folder of sockets. A socket's path may be too long where its folder's is not: through an open folder it is short. */
class Folder {
  readonly #path: string;
  readonly #handle: FileHandle | undefined;

  private constructor(path: string, handle: FileHandle | undefined) {
    this.#path = path;
    this.#handle = handle;
  }

  static async of(socket: string): Promise<Folder> {
    const path = dirname(socket);
    // Other names are up to 20 bytes longer.
    const isLong = Buffer.byteLength(socket) + 20 > MAX_PATH_BYTES;
    return new Folder(path, isLong ? await open(path, 'r') : undefined);
  }

  at(name: string): string {
    return this.#handle ? `/proc/self/fd/${this.#handle.fd}/${name}` : join(this.#path, name);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}

async function claim(bound: string, name: string, own: string): Promise<void> {
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    if (link(bound, name)) {
      // Gone again if another process took this name for a dead one's between its look and its rename, below.
      await new Promise((resolve) => setImmediate(resolve));
      if (identityOf(name) === own) return;
      continue;
    }
    const seen = lstatSync(name, { throwIfNoEntry: false });
    if (!seen) continue;
    if (!seen.isSocket()) throw Object.assign(new Error(`${basename(name)} is no socket`), { code: 'EEXIST' });
    if (await answers(name)) throw new SocketInUse('another process listens there');
    removeDead(name, `${bound}.dead`, identity(seen));
  }
  throw new SocketInUse('several processes want that name at once');
}

/** Removes a socket that nobody listens on, and not one that a living process has put in its place meanwhile. */
function removeDead(name: string, aside: string, seen: string): void {
  if (identityOf(name) !== seen) return;
  try {
    renameSync(name, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (identityOf(aside) !== seen) link(aside, name);
  rmSync(aside, { force: true });
}

/** While its server listens nobody else takes the name for a dead one's: what is looked at here is what is removed. */
function removeIf(path: string, own: string): void {
  if (identityOf(path) === own) rmSync(path, { force: true });
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function listen(server: Server, path: string, mode: number): Promise<void> {
  // From its first moment on: the mode of a socket is what the mask leaves when it is bound.
  const mask = process.umask(0o777 & ~mode);
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(error);
    server.once('error', failed);
    try {
      server.listen(path, () => {
        server.off('error', failed);
        chmodSync(path, mode);
        resolve();
      });
    } finally {
      // It is bound by now; only that it listens is told later.
      process.umask(mask);
    }
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // A backlog that is full (EAGAIN) is somebody's; nobody listening (ECONNREFUSED) or no file (ENOENT) is nobody's.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

/** Which file stands at a path; undefined where there is none. */
function identityOf(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found && identity(found);
}

function identity({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}
