import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files of /etc that a program sees in place of this machine's. */
export interface OwnEtc {
  'resolv.conf': string;
  hosts: string;
  'nsswitch.conf': string;
}

const NAMES = ['resolv.conf', 'hosts', 'nsswitch.conf'] as const;
const UNSHARE = ['--map-root-user', '--mount', '--net'];

/** Why no network namespace can be made here; undefined where one can. For the `skip` of tests that need it. */
export function noOwnNetwork(): string | undefined {
  const made = spawnSync('unshare', [
    ...UNSHARE,
    'sh',
    '-c',
    'ip link set lo up && mount --bind /etc/hosts /etc/hosts',
  ]);
  return made.status === 0 ? undefined : 'no network namespace with files of its own can be made here';
}

/**
 * Runs a program of TypeScript in a network of its own, which has loopback alone, and with files of its own in /etc.
 *
 * @param env what the program's environment has beside this process's
 * @returns how it ended, and all that it wrote
 */
export async function inOwnNetwork(
  program: string,
  etc: OwnEtc,
  { args = [], env = {} }: { args?: readonly string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<{ status: number | null; stdout: string; output: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-network-'));
  try {
    for (const name of NAMES) writeFileSync(join(folder, name), etc[name]);
    const binds = NAMES.map((name) => `mount --bind ${join(folder, name)} $(readlink -f /etc/${name}) && `).join('');
    const shell = `ip link set lo up && ${binds}exec "$0" "$@"`;
    const command = ['sh', '-c', shell, process.execPath, ...args, program];
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    const child = spawn('unshare', [...UNSHARE, ...command], {
      env: { ...inherited, ETC_FOLDER: folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject).once('close', resolve);
    });
    return { status, stdout, output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
