import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { noOpenBao } from '@vaultplane/backends/testing/open-bao.ts';
import { postgresMissing } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { noCertificates } from '@vaultplane/testkit/certificates.ts';
import { type Host, THIS_HOST } from '../../e2e/deployment.ts';

const run = promisify(execFile);

/** What a drill can need of the machine that it is played on. */
export type Need = 'namespaces' | 'postgres' | 'faketime' | 'openssl' | 'openbao';

/**
 * The command that runs another one on a machine of its own as far as processes, mounts and networks go: when it ends,
 * however it ends, the kernel ends every process, mount, network and packet filter that the drill has made.
 */
export const OWN_MACHINE = [
  ...['unshare', '--fork', '--kill-child', '--pid', '--mount-proc', '--net', '--mount'],
  '--',
] as const;
/** Set for a process that runs on such a machine. */
export const OWN_MACHINE_ENV = 'VAULTPLANE_DRILL_OWN_MACHINE';

/** Why a need can't be met here; false where it can. */
export function missing(need: Need): string | false {
  switch (need) {
    case 'namespaces':
      return noNamespaces();
    case 'postgres':
      return postgresMissing();
    case 'openssl':
      return noCertificates;
    case 'faketime':
      return fakeTimeLibrary() === undefined && 'libfaketime is not installed';
    case 'openbao':
      return noOpenBao() ?? false;
  }
}

let namespaces: string | false | undefined;

/** Why there can be no namespaces, virtual links and packet filters here; false where there can. */
export function noNamespaces(): string | false {
  namespaces ??= (() => {
    if (process.getuid?.() !== 0) return 'network namespaces need root';
    try {
      const [unshare, ...options] = OWN_MACHINE;
      const script =
        'ip link add near type veth peer name far && iptables -w -A INPUT -m statistic --mode random --probability 0.3 -j DROP';
      execFileSync(unshare, [...options, 'sh', '-c', script], { stdio: 'ignore' });
      return false;
    } catch {
      return 'there are no network namespaces with iptables here (unshare, ip, iptables)';
    }
  })();
  return namespaces;
}

export function fakeTimeLibrary(): string | undefined {
  const folders = existsSync('/usr/lib') ? readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/faketime`) : [];
  return [...folders, '/usr/lib/faketime', '/usr/local/lib/faketime']
    .map((folder) => `${folder}/libfaketime.so.1`)
    .find((path) => existsSync(path));
}

/** Brings up what a new machine has not: its loopback, and a place for the names of further networks. */
export async function bringUpOwnMachine(): Promise<void> {
  await run('ip', ['link', 'set', 'lo', 'up']);
  mkdirSync('/run/netns', { recursive: true });
  await mountSmall('/run/netns', 1024 * 1024);
}

/** Makes a folder a file system of its own, in memory, of so many bytes. Gives the function that takes it away. */
export async function mountSmall(folder: string, bytes: number): Promise<() => Promise<void>> {
  mkdirSync(folder, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0755`, 'tmpfs', folder]);
  return async () => void (await run('umount', [folder]));
}

const HERE = '10.77.0.1';
const THERE = '10.77.0.2';
const NAME = 'far';

/** This host, as the far one reaches it. */
export const NEAR_HOST: Host = { ...THIS_HOST, address: HERE };

/** Another host: a network namespace behind a virtual cable. Its packets can get lost on the way. */
export class FarHost implements Host {
  readonly address = THERE;
  readonly through = ['ip', 'netns', 'exec', NAME];

  static async create(): Promise<FarHost> {
    const host = new FarHost();
    await run('ip', ['netns', 'add', NAME]);
    await run('ip', ['link', 'add', 'here', 'type', 'veth', 'peer', 'name', 'there', 'netns', NAME]);
    await run('ip', ['addr', 'add', `${HERE}/24`, 'dev', 'here']);
    await run('ip', ['link', 'set', 'here', 'up']);
    await host.#run('ip', 'addr', 'add', `${THERE}/24`, 'dev', 'there');
    await host.#run('ip', 'link', 'set', 'there', 'up');
    await host.#run('ip', 'link', 'set', 'lo', 'up');
    return host;
  }

  /** From now on a part (0 to 1) of the packets to and from a TCP port of this host vanish. No connection is closed. */
  async lose(port: number, part: number): Promise<void> {
    const chance = part >= 1 ? [] : ['-m', 'statistic', '--mode', 'random', '--probability', String(part)];
    await this.#run('iptables', '-w', '-A', 'OUTPUT', '-p', 'tcp', '--dport', String(port), ...chance, '-j', 'DROP');
    await this.#run('iptables', '-w', '-A', 'INPUT', '-p', 'tcp', '--sport', String(port), ...chance, '-j', 'DROP');
  }

  /** Packets that have vanished so far. */
  async lost(): Promise<number> {
    const { stdout } = await this.#run('iptables', '-w', '-L', '-v', '-x', '-n');
    return [...stdout.matchAll(/^\s*(\d+)\s+\d+\s+DROP/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** All packets arrive again. */
  async loseNothing(): Promise<void> {
    await this.#run('iptables', '-w', '-F');
  }

  #run(...command: string[]): Promise<{ stdout: string }> {
    const [first, ...rest] = this.through;
    return run(first!, [...rest, ...command]);
  }
}
