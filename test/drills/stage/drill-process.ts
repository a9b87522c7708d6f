import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Drill, DrillReport } from './drill.ts';
import { noNamespaces, OWN_MACHINE, OWN_MACHINE_ENV } from './machine.ts';
import { emptyReport, leftOut } from './perform.ts';

export type PlayMessage = { note: string } | { report: DrillReport };

export interface PlayOptions {
  /** Called with each line about where the drill is. */
  note: (line: string) => void;
  /** Ends the drill, with all that it has started. */
  signal?: AbortSignal;
}

const PLAY = fileURLToPath(new URL('./play.ts', import.meta.url));
/** A drill that takes longer has hung. */
const LONGEST_MS = 8 * 60_000;

/**
 * Plays a drill in a process of its own and, where that can be had, on a machine of its own (see OWN_MACHINE), with one
 * folder for all that is written; nothing is left of either when this is done, however the drill went.
 */
export async function play(drill: Drill, { note, signal }: PlayOptions): Promise<DrillReport> {
  const reason = leftOut(drill);
  if (reason !== undefined) return emptyReport(drill, 'left out', reason);
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-drill-'));
  chmodSync(folder, 0o711);
  try {
    return await playIn(folder, drill, { note, ...(signal && { signal }) });
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

async function playIn(folder: string, drill: Drill, { note, signal }: PlayOptions): Promise<DrillReport> {
  const ownMachine = noNamespaces() === false;
  const [command, ...args] = [...(ownMachine ? OWN_MACHINE : []), process.execPath, PLAY, drill.name];
  const child = spawn(command!, args, {
    env: { ...process.env, TMPDIR: folder, ...(ownMachine && { [OWN_MACHINE_ENV]: '1' }) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Ctrl-C reaches whoever started this, and that one ends it.
    detached: true,
  });
  const kill = () => void child.kill('SIGKILL');
  // Told, not killed, so that a drill without a machine of its own can end its programs.
  const stop = () => void (child.connected && child.send('stop'));
  const timer = setTimeout(stop, LONGEST_MS);
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  process.once('exit', kill);
  let words = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-2000);
    });
  }
  let report: DrillReport | undefined;
  child.on('message', (message: PlayMessage) => {
    if ('note' in message) note(message.note);
    else report = message.report;
  });
  await new Promise((resolve) => child.once('close', resolve).once('error', resolve));
  clearTimeout(timer);
  signal?.removeEventListener('abort', stop);
  process.off('exit', kill);
  if (report) return report;
  return emptyReport(
    drill,
    'failed',
    signal?.aborted ? 'it was stopped' : `it ended without a report: ${words.trim()}`,
  );
}
