import { sayLine } from '@vaultplane/platform/lifecycle.ts';
import { descendantsOf } from './process-table.ts';

/** prctl(2). */
const PR_SET_CHILD_SUBREAPER = 36;
/** waitpid(2). */
const WNOHANG = 1;

type WaitFor = (pid: number) => void;

/**
 * Makes this process the parent of what its descendants leave behind, as process 1 is anyway, and waits for those that
 * have ended, so that they don't stay as zombies. Only on Linux: elsewhere process 1 is the parent of all orphans.
 *
 * Node.js waits for the children that it has started itself, and has no call for others: waitpid is called in the C
 * library that is in this process already.
 *
 * @param isOwn whether Node.js has started a process, and so waits for it
 * @returns stops that
 */
export function adoptOrphans(isOwn: (pid: number) => boolean): () => void {
  const waitFor = process.platform === 'linux' ? libraryCalls() : undefined;
  if (!waitFor) return () => {};
  const reap = () => {
    for (const { pid, parent, isZombie } of descendantsOf(process.pid)) {
      if (isZombie && parent === process.pid && !isOwn(pid)) waitFor(pid);
    }
  };
  process.on('SIGCHLD', reap);
  return () => process.off('SIGCHLD', reap);
}

/**
 * undefined for a Node.js without node:ffi (before 26): then orphans are left to process 1. Where that is this process, nobody
 * waits for them, which is said.
 */
function libraryCalls(): WaitFor | undefined {
  const { emitWarning } = process;
  // That it is experimental would be said on stderr, in the midst of what the command writes; the pinned Node.js has it.
  process.emitWarning = () => {};
  try {
    const { functions } = process.getBuiltinModule('node:ffi').dlopen(null, {
      prctl: { arguments: ['int32', 'uint64', 'uint64', 'uint64', 'uint64'], return: 'int32' },
      waitpid: { arguments: ['int32', 'pointer', 'int32'], return: 'int32' },
    });
    functions.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
    return (pid) => void functions.waitpid(pid, 0n, WNOHANG);
  } catch {
    if (process.pid === 1) {
      sayLine(
        'vaultplane-dp',
        `exec is process 1 here and does not wait for orphaned processes: Node.js ${process.versions.node} has no call for that. Use Node.js 26, or an init in front of it (docker run --init)`,
      );
    }
    return undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}
