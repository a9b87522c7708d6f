import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

interface OpenFile {
  fd: number;
  /** What the link in /proc/self/fd says, such as `socket:[4242]`. */
  target: string;
  /** Octal flags of open(2). */
  flags: number;
}

const O_ACCMODE = 0o3;
const O_CLOEXEC = 0o2000000;

/**
 * The open files from 3 up that this program was started with, such as the sockets of systemd's socket activation: Node.js
 * marks them to be closed when it starts another program, and so they have to be named. To be called before this program
 * opens files of its own. Empty where there is no /proc.
 */
export function inheritedFiles(): number[] {
  const files = openFiles();
  return files.filter((file) => isInherited(file, files)).map(({ fd }) => fd);
}

/**
 * Node.js opens its own files before any of our code runs, each at the lowest free number and an epoll instance first: what
 * lies below that was there. Above it, its own are told by what they are: anonymous inodes, pipes of which this process
 * has both ends, and /dev/null to read (libuv's spare descriptor).
 */
function isInherited({ fd, target, flags }: OpenFile, files: readonly OpenFile[]): boolean {
  const firstOfNode = files.find((file) => file.target === 'anon_inode:[eventpoll]')?.fd ?? 0;
  if (fd < firstOfNode) return true;
  // Not marked: it goes on to every program by itself.
  if ((flags & O_CLOEXEC) === 0) return false;
  if (target.startsWith('anon_inode:')) return false;
  if (target === '/dev/null') return (flags & O_ACCMODE) !== 0;
  return !(target.startsWith('pipe:') && files.filter((file) => file.target === target).length > 1);
}

function openFiles(): OpenFile[] {
  let names: string[];
  try {
    names = readdirSync('/proc/self/fd');
  } catch {
    return [];
  }
  return names
    .map(Number)
    .filter((fd) => fd > 2)
    .sort((a, b) => a - b)
    .map(openFile)
    .filter((file) => file !== undefined);
}

/** undefined for the descriptor that has read the folder, which is closed by now. */
function openFile(fd: number): OpenFile | undefined {
  try {
    const [, flags] = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))!;
    return { fd, target: readlinkSync(`/proc/self/fd/${fd}`), flags: Number.parseInt(flags!, 8) };
  } catch {
    return undefined;
  }
}
