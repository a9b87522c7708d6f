import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** A process of this machine at the moment of a look. */
export interface ProcessEntry {
  pid: number;
  parent: number;
  /** The id of its process group. */
  group: number;
  /** Ended, and not yet waited for by its parent. */
  isZombie: boolean;
}

/** All processes that can be seen from here: by /proc where there is one, else by ps. */
export function processTable(): ProcessEntry[] {
  return existsSync('/proc/self/stat') ? fromProc() : fromPs();
}

/** The entry of one process; undefined where it is gone, or there is no /proc. */
export function processEntry(pid: number | 'self'): ProcessEntry | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** The descendants of a process, itself not among them, parents before their children. */
export function descendantsOf(pid: number, table: readonly ProcessEntry[] = processTable()): ProcessEntry[] {
  const byParent = Map.groupBy(table, ({ parent }) => parent);
  const found: ProcessEntry[] = [];
  for (let next: ProcessEntry[] = byParent.get(pid) ?? []; next.length > 0; ) {
    found.push(...next);
    next = next.flatMap((entry) => byParent.get(entry.pid) ?? []);
  }
  return found;
}

function fromProc(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processEntry(Number(name)))
    .filter((entry) => entry !== undefined);
}

/** proc_pid_stat(5): the second field is the program's name in parentheses, which may itself have spaces and parentheses. */
function parseStat(text: string): ProcessEntry {
  const [state, parent, group] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid: Number.parseInt(text, 10), parent: Number(parent), group: Number(group), isZombie: state === 'Z' };
}

function fromPs(): ProcessEntry[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,state='], { encoding: 'utf8' });
  return (stdout ?? '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length === 4)
    .map(([pid, parent, group, state]) => ({
      pid: Number(pid),
      parent: Number(parent),
      group: Number(group),
      isZombie: state!.startsWith('Z'),
    }));
}
