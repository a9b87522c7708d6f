import { constants, fstatSync, openSync, readFileSync, type Stats, writeSync } from 'node:fs';

/** Writes some of the bytes, at least one, and returns how many. @throws EAGAIN where nobody reads just now */
export type Write = (bytes: Uint8Array) => number;

/**
 * How to write to a descriptor that this process was given, such as stderr, without ever waiting for its reader.
 *
 * O_NONBLOCK belongs to the open file, which other processes may have too: a child that inherited it, the rest of a
 * shell's pipeline. They must not see it. So a pipe or a terminal is opened a second time; a socket can't be, and is
 * switched for the moment of each write. A regular file never waits.
 */
export function nonblockingWrite(fd: number): Write {
  const found = statOf(fd);
  if (found?.isFIFO() || found?.isCharacterDevice()) {
    const again = openAgain(fd);
    if (again !== undefined) return (bytes) => writeSync(again, bytes);
  }
  return found?.isFIFO() || found?.isSocket() ? switched(fd) : (bytes) => writeSync(fd, bytes);
}

/** Undefined for a descriptor that is closed: writing to it says so. */
function statOf(fd: number): Stats | undefined {
  try {
    return fstatSync(fd);
  } catch {
    return undefined;
  }
}

/** Undefined where the system can't: a pipe of another user, a system without /proc. */
function openAgain(fd: number): number | undefined {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
}

interface Switchable {
  _handle: { setBlocking(blocking: boolean): number };
}

function switched(fd: number): Write {
  const { Socket } = process.getBuiltinModule('node:net');
  const wasBlocking = !isNonblocking(fd);
  // Node.js has no fcntl. A socket of it is one that stays idle; it has switched the descriptor already.
  const { _handle: handle } = new Socket({ fd, readable: false, writable: true }) as unknown as Switchable;
  if (wasBlocking) handle.setBlocking(true);
  return (bytes) => {
    // Whoever shares it may have switched it meanwhile, for good: it stays so then.
    const switchBack = !isNonblocking(fd);
    if (switchBack) handle.setBlocking(false);
    try {
      return writeSync(fd, bytes);
    } finally {
      if (switchBack) handle.setBlocking(true);
    }
  };
}

/** False where the system does not tell. */
function isNonblocking(fd: number): boolean {
  try {
    const [, flags] = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? [];
    return flags !== undefined && (Number.parseInt(flags, 8) & constants.O_NONBLOCK) !== 0;
  } catch {
    return false;
  }
}
