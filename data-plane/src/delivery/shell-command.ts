import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '@vaultplane/platform/time/clock.ts';

/** Between SIGTERM and SIGKILL. Less than a service manager gives this program itself. */
const GRACE_MS = 5_000;
/** No event tells of the end of what a command has started. */
const LOOK_EVERY_MS = 50;
/** What has got SIGKILL and stays, such as a zombie that nobody reaps, is not waited for. */
const KILLED_WITHIN_MS = 1_000;

export interface ShellOptions {
  /** 0: it may take as long as it likes. */
  timeoutMs: number;
  /** Ends it, as the timeout does. */
  stop?: AbortSignal;
}

/**
 * Runs a command of `--exec` by sh, in a process group of its own. One that is to end gets SIGTERM, with all that it has
 * started, and five seconds later SIGKILL.
 *
 * @throws Error that says how it ended, where that was not with status 0
 */
export async function runShell(command: string, { timeoutMs, stop }: ShellOptions): Promise<void> {
  stop?.throwIfAborted();
  const child = spawn('/bin/sh', ['-c', command], { stdio: 'inherit', detached: true });
  const exit = once(child, 'exit');
  let ending: Promise<void> | undefined;
  let late = false;
  const end = () => {
    if (child.pid !== undefined) ending ??= endGroup(child.pid);
  };
  const cancel =
    timeoutMs === 0
      ? () => {}
      : systemClock.after(timeoutMs, () => {
          late = true;
          end();
        });
  stop?.addEventListener('abort', end, { once: true });
  try {
    const [status, signal] = (await exit) as [number | null, string | null];
    if (ending) await ending;
    else if (status === 0) return;
    if (late)
      throw new Error(`the command of --exec did not end within ${timeoutMs / 1000} s (--exec-timeout), and was ended`);
    throw new Error(`the command of --exec ended with ${signal ?? `status ${status}`}`);
  } finally {
    cancel();
    stop?.removeEventListener('abort', end);
  }
}

async function endGroup(group: number): Promise<void> {
  signalGroup(group, 'SIGTERM');
  if (await isGone(group, GRACE_MS)) return;
  signalGroup(group, 'SIGKILL');
  await isGone(group, KILLED_WITHIN_MS);
}

async function isGone(group: number, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (signalGroup(group, 0)) {
    if (performance.now() > end) return false;
    await wait(LOOK_EVERY_MS);
  }
  return true;
}

/** @returns whether there is any process of the group left */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    // EPERM: all that is left has become another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM' && signal === 0;
  }
}
