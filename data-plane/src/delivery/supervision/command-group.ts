import { descendantsOf, type ProcessEntry, processEntry, processTable } from './process-table.ts';

/**
 * A command and what it has started, for as long as that stays in its process group: what a shell calls a job. The command
 * is in the process group of this program, as if it ran in its place: the terminal, and whoever signals the whole group,
 * reach it, and job control works. So the group has processes that are none of the command's, such as the other end of a
 * pipe; the command's own are the descendants.
 */
export class CommandGroup {
  readonly #pid: number;
  readonly #isHelper: (pid: number) => boolean;

  /**
   * @param pid the command
   * @param isHelper which children of this program are none of the command's
   */
  constructor(pid: number, isHelper: (pid: number) => boolean) {
    this.#pid = pid;
    this.#isHelper = isHelper;
  }

  /** Whether it is in the process group of this program, and so gets what is sent to that. */
  get sharesOurs(): boolean {
    const own = processEntry('self')?.group;
    const group = processEntry(this.#pid)?.group;
    return own === undefined || group === undefined || own === group;
  }

  /** Whether none of it is left. */
  get isGone(): boolean {
    return this.#members().length === 0;
  }

  /** Sends a signal to all of it. */
  signal(signal: NodeJS.Signals): void {
    for (const { pid } of this.#members()) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended meanwhile, or has become another user's.
      }
    }
  }

  #members(): ProcessEntry[] {
    const table = processTable();
    const groups = new Set(
      table.filter(({ pid }) => pid === process.pid || pid === this.#pid).map(({ group }) => group),
    );
    return descendantsOf(process.pid, table).filter(
      ({ pid, group, isZombie }) => !isZombie && !this.#isHelper(pid) && (groups.has(group) || pid === this.#pid),
    );
  }
}
