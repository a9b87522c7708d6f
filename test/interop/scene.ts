import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import type { Program } from '@vaultplane/local/program.ts';
import { type ControlPlane, DATA_PLANE_MAIN, type DataPlane, Deployment } from '../e2e/deployment.ts';

export const REGION = 'us-east-1';

/** A control plane with the vault `aws-sm-vault`, a data plane with a Unix socket, and an AWS: what an application has around it. */
export class Scene {
  readonly deployment = new Deployment();
  readonly emulator: Emulator;
  controlPlane!: ControlPlane;
  dataPlane!: DataPlane;
  process!: Program;
  readonly #commands: RunningCommand[] = [];

  private constructor(emulator: Emulator) {
    this.emulator = emulator;
  }

  static async start(vault: Record<string, string> = {}): Promise<Scene> {
    const scene = new Scene(await startEmulator());
    try {
      const { deployment, emulator } = scene;
      scene.controlPlane = await deployment.planControlPlane('cp');
      await scene.controlPlane.start();
      await scene.controlPlane.putVault('aws-sm-vault', { name: 'aws', 'config.region': REGION, ...vault });
      scene.dataPlane = await deployment.planDataPlane('dp', scene.controlPlane, {
        ...emulator.environment,
        VAULTPLANE_API_UNIX_SOCKET: join(deployment.folder, 'dp.sock'),
      });
      scene.process = await scene.dataPlane.start();
      await scene.dataPlane.caughtUpWith(scene.controlPlane);
      return scene;
    } catch (error) {
      await scene.stop();
      throw error;
    }
  }

  /** A new version of a secret at AWS, which the data plane is made to notice. */
  async rotate(name: string, value: string | object, reference: string): Promise<void> {
    this.emulator.putSecret(REGION, name, value);
    const { error } = await this.dataPlane.resolve(reference, { refresh: true });
    if (error) throw new Error(`${error.code}: ${error.message}`);
  }

  /** Runs vaultplane-dp as somebody in a shell on that machine would. */
  command(args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningCommand {
    const command = new RunningCommand(args, { ...this.dataPlane.env, ...env }, this.deployment.folder);
    this.#commands.push(command);
    return command;
  }

  /** Makes a file in the folder where commands run. */
  file(name: string, text: string): string {
    const path = join(this.deployment.folder, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  async restartDataPlane(): Promise<void> {
    await this.process.stop();
    this.process = await this.dataPlane.start();
  }

  async stop(): Promise<void> {
    for (const command of this.#commands) command.killAll();
    await Promise.all(this.#commands.map((command) => command.ended));
    await this.deployment.stop();
    await this.emulator.stop();
  }
}

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A vaultplane-dp that runs. */
export class RunningCommand {
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string) {
    // As the program's first line has it: Node.js would take --env-file for an option of its own.
    this.#child = spawn(process.execPath, ['--disable-sigusr1', '--', DATA_PLANE_MAIN, ...args], {
      env,
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const read = (name: 'stdout' | 'stderr') =>
      this.#child[name]!.setEncoding('utf8').on('data', (text: string) => {
        this[name] += text;
        for (const check of this.#waiting) check();
      });
    read('stdout');
    read('stderr');
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (status, signal) => {
        resolve({ status, signal, stdout: this.stdout, stderr: this.stderr });
        for (const check of this.#waiting) check();
      });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** It, and whatever it has started. */
  killAll(): void {
    try {
      process.kill(-this.#child.pid!, 'SIGKILL');
    } catch {
      // All of it has ended.
    }
  }

  /** Waits until it has written a text. @throws Error with what it wrote, when it ends before, or after 30 seconds */
  writes(text: string, to: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (act: () => void) => {
        clearTimeout(late);
        this.#waiting.delete(check);
        act();
      };
      const fail = () => reject(new Error(`no ${JSON.stringify(text)} in ${to}: ${this.stdout}\n${this.stderr}`));
      const check = () => {
        if (this[to].includes(text)) end(resolve);
        else if (this.#child.exitCode !== null && this.#child.stdout!.readableEnded) end(fail);
      };
      const late = setTimeout(() => end(fail), 30_000);
      this.#waiting.add(check);
      check();
    });
  }
}
