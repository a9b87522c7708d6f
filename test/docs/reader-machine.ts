import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OWN_MACHINE } from '../drills/stage/machine.ts';
import { cleanEnv } from '../e2e/deployment.ts';
import type { ShellBlock } from './shell-blocks.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Not in a clone. */
const NOT_COPIED = /^(?:\.git|\.cache|node_modules|data|dist)(?:\/|$)|\/node_modules(?:\/|$)/;
const BLOCK_MS = 90_000;
const ASK_AGAIN_MS = 20_000;

/** A copy of the project as a clone has it; with `setUp`, after the newcomer's `npm run setup`. */
export function freshCopy({ setUp }: { setUp: boolean }): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-reader-'));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    cpSync(ROOT, folder, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !NOT_COPIED.test(path.slice(ROOT.length)),
    });
    if (setUp) execFileSync('npm', ['run', '--silent', 'setup'], { cwd: folder, env: cleanEnv(), stdio: 'pipe' });
    return { folder, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/**
 * The machine of a reader who copies a page's commands. It has its own processes, loopback, /etc, /opt/vaultplane,
 * /var/lib/vaultplane and project, so that pages that run side by side share no port and no file. Shells start in the
 * project: on the machine a copy of its own lies over `folder`; only node_modules are shared.
 */
export class ReaderMachine {
  readonly folder: string;
  /** What is no part of the project: the reader's home, logs, the shell's state. */
  readonly own = mkdtempSync(join(tmpdir(), 'vaultplane-reader-machine-'));
  readonly #machine: ChildProcess;
  readonly #init: Promise<number>;
  readonly #staying: Terminal[] = [];
  #shell: Shell;
  readonly #everyShell: string[] = [];
  readonly #path = [join(this.own, 'bin')];

  constructor(folder: string) {
    this.folder = folder;
    const [modules, copy] = [join(folder, 'node_modules'), join(this.own, 'project')];
    cpSync(folder, copy, { recursive: true, verbatimSymlinks: true, filter: (path) => path !== modules });
    for (const made of [modules, join(copy, 'node_modules')]) mkdirSync(made, { recursive: true });
    for (const name of ['home', 'bin', 'etc', 'opt/vaultplane', 'var/lib/vaultplane']) {
      mkdirSync(join(this.own, name), { recursive: true });
    }
    this.#shell = this.#newShell();
    const script = `set -e
      ip link set lo up
      cp -a /etc/. ${this.own}/etc/ 2>/dev/null || true
      mount --bind ${this.own}/etc /etc
      mount --bind ${modules} ${copy}/node_modules
      mount --rbind ${copy} ${folder}
      mount --rbind ${copy} ${this.own}/opt/vaultplane
      for place in /opt /var/lib; do
        # All that the machine has there but ours.
        for entry in $place/*/; do
          case "$entry" in */vaultplane/ | *'*/') continue ;; esac
          mkdir -p "${this.own}$entry" && mount --rbind "$entry" "${this.own}$entry"
        done
        mount --rbind ${this.own}$place $place
      done
      echo up
      # Takes leave of every process that ends, as an init does.
      exec bash -c 'sleep infinity & wait'`;
    const [unshare, ...options] = OWN_MACHINE;
    this.#machine = spawn(unshare, [...options, 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#init = new Promise((resolve, reject) => {
      let words = '';
      const hear = (bytes: Buffer) => {
        words += bytes;
        if (!words.includes('up\n')) return;
        const { pid } = this.#machine;
        resolve(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()));
      };
      this.#machine.stdout!.on('data', hear);
      this.#machine.stderr!.on('data', hear);
      this.#machine.once('exit', () => reject(new Error(`there is no machine of its own: ${words}`)));
    });
    this.#init.catch(() => {});
  }

  /** A program that the machine has, by its name. */
  install(name: string, text: string): void {
    writeFileSync(join(this.own, 'bin', name), text);
    chmodSync(join(this.own, 'bin', name), 0o755);
  }

  /** A folder of programs that every shell finds, before the machine's others. */
  findPrograms(folder: string): void {
    this.#path.push(folder);
  }

  /** Variables of every shell. */
  set(variables: Record<string, string>): void {
    for (const [name, value] of Object.entries(variables)) this.#everyShell.push(`export ${name}='${value}'`);
    this.#shell = this.#newShell();
  }

  /** Runs a block as its reader would, and gives what it printed. @throws Error with that, when it does not do as noted */
  async run(block: ShellBlock): Promise<string> {
    if (block.afterCtrlC) await this.ctrlC();
    if (block.inEveryShell) this.#everyShell.push(block.text);
    const where = `${block.page}:${block.line}`;
    if (block.staysUp !== null) {
      const terminal = await this.#type(block.text);
      await terminal.prints(block.staysUp, where);
      this.#staying.push(terminal);
      // Its shell is taken: what comes next is typed into another, which knows nothing of this one.
      this.#shell = this.#newShell();
      const wrong = shortfall(block, 0, terminal.output);
      if (wrong !== null) throw new Error(`${where} ${wrong}`);
      return terminal.output;
    }
    const start = performance.now();
    for (;;) {
      const terminal = await this.#type(block.text);
      const wrong = shortfall(block, await terminal.ended(where), terminal.output);
      if (wrong === null) return terminal.output;
      // What was changed just now is elsewhere a moment later, and a data plane's disk has it within a second.
      if (!block.onlyAsks || performance.now() - start > ASK_AGAIN_MS) throw new Error(`${where} ${wrong}`);
    }
  }

  /** Runs commands that are no block of the page. @throws Error when they fail */
  async command(text: string): Promise<string> {
    const terminal = await this.#type(text, this.#newShell());
    const status = await terminal.ended(text);
    if (status !== 0) throw new Error(`${text}\nended with ${status}:\n${terminal.output}`);
    return terminal.output;
  }

  /** Starts what stays up until the machine ends, and waits until it prints a text. */
  async background(text: string, prints: string): Promise<void> {
    const terminal = await this.#type(text, this.#newShell());
    await terminal.prints(prints, text);
  }

  /** Ends what stays up, as the reader does: with Ctrl-C in each of its terminals, the last first. */
  async ctrlC(): Promise<void> {
    for (const terminal of this.#staying.splice(0).reverse()) {
      terminal.interrupt();
      await terminal.ended('Ctrl-C');
    }
  }

  /** Ends it, and with it every process on it. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#machine.once('exit', resolve));
    if (this.#machine.exitCode === null && this.#machine.signalCode === null) {
      this.#machine.kill('SIGKILL');
      await ended;
    }
    rmSync(this.own, { recursive: true, force: true, maxRetries: 5 });
  }

  #newShell(): Shell {
    return { state: join(mkdtempSync(join(this.own, 'shell-')), 'state') };
  }

  async #type(text: string, shell = this.#shell): Promise<Terminal> {
    // A shell goes on where its last block left it, and a command that fails is noticed.
    const script = existsSync(shell.state) ? `. ${shell.state}` : `cd ${this.folder}\n${this.#everyShell.join('\n')}`;
    const file = `${shell.state}.sh`;
    const keep = `trap '{ export -p; printf "cd %q\\n" "$PWD"; } > ${shell.state}' EXIT`;
    writeFileSync(file, `${script}\n${keep}\nset -e\n${text}`);
    const enter = ['--target', String(await this.#init), '--net', '--mount', '--pid', '--', 'bash', file];
    return new Terminal('nsenter', enter, {
      ...cleanEnv(),
      HOME: join(this.own, 'home'),
      PATH: [...this.#path, process.env.PATH].join(':'),
    });
  }
}

/** What a block did otherwise than noted, in words; null where nothing. */
function shortfall({ text, prints }: ShellBlock, status: number, output: string): string | null {
  if (status !== 0) return `ended with ${status}:\n${text}\n${output}`;
  const missing = prints.find((each) => !output.includes(each));
  return missing === undefined ? null : `did not print ${missing}:\n${text}\n${output}`;
}

interface Shell {
  /** The file that keeps what it exports and where it is, between blocks. */
  state: string;
}

/** Something that runs in a terminal of its own. */
class Terminal {
  output = '';
  readonly #child: ChildProcess;
  readonly #closed: Promise<number>;
  readonly #listeners = new Set<() => void>();

  constructor(command: string, args: string[], env: NodeJS.ProcessEnv) {
    this.#child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const name of ['stdout', 'stderr'] as const) {
      this.#child[name]!.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        for (const listener of this.#listeners) listener();
      });
    }
    this.#closed = new Promise((resolve) => {
      this.#child.once('error', () => resolve(127));
      this.#child.once('close', (status) => resolve(status ?? 1));
    });
  }

  interrupt(): void {
    process.kill(-this.#child.pid!, 'SIGINT');
  }

  /** The exit status. @throws Error when it takes too long */
  ended(where: string): Promise<number> {
    return this.#inTime(this.#closed, where);
  }

  /** @throws Error when it ends before it has printed the text, or takes too long */
  prints(text: string, where: string): Promise<void> {
    return this.#inTime(
      new Promise((resolve, reject) => {
        const look = () => this.output.includes(text) && resolve();
        this.#listeners.add(look);
        look();
        void this.#closed.then(() => reject(new Error(`${where} ended without printing ${text}:\n${this.output}`)));
      }),
      where,
    );
  }

  async #inTime<T>(work: Promise<T>, where: string): Promise<T> {
    let late: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_resolve, reject) => {
      late = setTimeout(() => reject(new Error(`${where} takes too long; it printed:\n${this.output}`)), BLOCK_MS);
    });
    return Promise.race([work, tooLong]).finally(() => clearTimeout(late));
  }
}
