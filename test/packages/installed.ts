import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npmEnv } from './npm.ts';

export interface CommandRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A tarball, installed by npm in a folder with nothing of ours near it, for one Node.js. */
export class Installed implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'vaultplane-installed-'));
  readonly #env: NodeJS.ProcessEnv;

  /** @param node the folder with `node` of the release to run with */
  constructor(tarball: string, node: string, { global = false } = {}) {
    const bin = join(this.folder, global ? 'bin' : 'node_modules/.bin');
    this.#env = { ...npmEnv(), PATH: `${bin}:${node}:${process.env.PATH}` };
    const args = global ? ['--global', '--prefix', this.folder] : [];
    const run = this.run('npm', ['install', ...args, '--no-audit', '--no-fund', '--prefer-offline', tarball]);
    if (run.code !== 0) throw new Error(`npm could not install ${tarball}: ${run.stdout}${run.stderr}`);
  }

  /** Runs a command in the folder, to its end. */
  run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): CommandRun {
    const { status, stdout, stderr } = spawnSync(command, args, {
      cwd: this.folder,
      env: { ...this.#env, ...env },
      encoding: 'utf8',
      timeout: 120_000,
    });
    return { code: status, stdout, stderr };
  }

  /** Starts a program in the folder. */
  start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): StartedProgram {
    return new StartedProgram(command, args, { cwd: this.folder, env: { ...this.#env, ...env } });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A program in progress. */
export class StartedProgram {
  output = '';
  readonly #child;
  readonly #ended: Promise<number | null>;
  readonly #listeners = new Set<() => void>();

  constructor(command: string, args: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }) {
    this.#child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        for (const listener of this.#listeners) listener();
      });
    }
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve));
  }

  /** Resolves once it has written what matches. @throws Error when it ends without that */
  async wrote(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.output);
        if (match) resolve(match);
      };
      this.#listeners.add(look);
      look();
      void this.#ended.then(() => reject(new Error(`ended without writing ${pattern}: ${this.output}`)));
    });
  }

  /** Sends SIGTERM and waits for the end. @returns the exit status */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.#ended;
  }
}
