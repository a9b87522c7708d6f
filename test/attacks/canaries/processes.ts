import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CONTROL_PLANE_SETTINGS } from '@vaultplane/model/settings/control-plane-settings.ts';
import { DATA_PLANE_SETTINGS } from '@vaultplane/model/settings/data-plane-settings.ts';
import { CONTROL_PLANE_MAIN, cleanEnv, DATA_PLANE_MAIN } from '../../e2e/deployment.ts';
import { companionsOf } from './companions.ts';
import {
  ask,
  baseOf,
  contentsBelow,
  environmentOf,
  filesIn,
  LOOKUPS,
  leaksOf,
  type Program,
  type Report,
} from './scene.ts';
import { type Canary, canaries } from './shapes.ts';
import { variablesRead } from './variables.ts';

const AT_ONCE = 3;
/** A program that has not said by then that it is ready has hung. */
const READY_WITHIN_MS = 60_000;

const program: Program = process.argv[2] === 'data plane' ? 'data plane' : 'control plane';
const main = program === 'data plane' ? DATA_PLANE_MAIN : CONTROL_PLANE_MAIN;
const files = filesIn(process.cwd());
const report: Report = { starts: 0, ran: [], leaks: [] };

/** What the program says of itself when it runs. */
interface Ready {
  api?: string;
  admin?: string;
  status: string;
}

/** Starts the program with canaries, uses it if it runs, and looks for them in all that it has said, written and answered. */
async function start(
  names: readonly string[],
  given: Record<string, string>,
  hidden: readonly Canary[],
  command = 'start',
): Promise<boolean> {
  const dataDir = join(process.cwd(), `process-${report.starts++}`);
  mkdirSync(dataDir, { mode: 0o700 });
  const env = { ...cleanEnv(), ...baseOf(dataDir, files), ...given };
  const child = spawn(process.execPath, [main, command], { cwd: dataDir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = new Words(child);
  const ready = await said.ready();
  if (ready) {
    report.ran.push(...names);
    const { api, admin, status } = ready;
    if (api !== undefined) said.add(await ask(`${api}/v1/resolve`, { token: tokenIn(dataDir), body: LOOKUPS }));
    if (admin !== undefined) for (const path of ['/', '/vaults', '/none']) said.add(await ask(admin + path));
    for (const path of ['/status', '/status/ready', '/metrics']) said.add(await ask(status + path));
    child.kill('SIGTERM');
  }
  await said.ended;
  said.add(contentsBelow(dataDir));
  if (said.text === '') throw new Error(`${names.join()}: the ${program} says nothing`);
  report.leaks.push(...leaksOf(`${program}: ${names.join()}`, said.text, hidden));
  rmSync(dataDir, { recursive: true, force: true });
  return ready !== undefined || child.exitCode === 0;
}

function tokenIn(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, 'api-token'), 'utf8').trim();
  } catch {
    // api_token_file is where the canary is.
    return undefined;
  }
}

class Words {
  text = '';
  readonly ended: Promise<void>;
  readonly #ready = Promise.withResolvers<Ready | undefined>();

  constructor(child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text) => this.add(text));
    this.ended = new Promise((resolve) => child.once('close', () => resolve()));
    void this.ended.then(() => this.#ready.resolve(undefined));
    const late = setTimeout(() => child.kill('SIGKILL'), READY_WITHIN_MS);
    void this.#ready.promise.then(() => clearTimeout(late));
  }

  add(text: string): void {
    this.text += `${text}`;
    const line = this.text.split('\n').find((each) => each.includes('"event":"ready"') && each.endsWith('}'));
    if (line !== undefined) this.#ready.resolve(JSON.parse(line) as Ready);
  }

  /** Undefined where the program has ended before it was. */
  ready(): Promise<Ready | undefined> {
    return this.#ready.promise;
  }
}

const shapes = canaries().length;
const keys = Object.keys(program === 'data plane' ? DATA_PLANE_SETTINGS : CONTROL_PLANE_SETTINGS);
/** A start of a control plane with a database takes seconds: each setting is checked alone, and those that pass start together. */
const first = program === 'data plane' ? 'start' : 'check';
const together: Array<{ key: string; env: Record<string, string>; canary: Canary }> = [];
const ofSettings = keys.map((key, index) => async () => {
  const canary = canaries()[index % shapes]!;
  const env = environmentOf({ ...companionsOf(key, files), [key]: canary.text });
  if ((await start([key], env, [canary], first)) && first === 'check') together.push({ key, env, canary });
});
const variables = variablesRead().filter((name) => !/^(VAULTPLANE|KONG)_/.test(name));
const ofVariables = [0, 1, 2].map((shift) => async () => {
  const each = variables.map((name, index) => [name, canaries()[(index + shift) % shapes]!] as const);
  const env = Object.fromEntries(each.map(([name, { text }]) => [name, text]));
  const hidden = each.map(([, canary]) => canary);
  await start([`variables ${shift}`], env, hidden);
});
const waiting = [...ofSettings, ...ofVariables].values();
const worker = async () => {
  for (const run of waiting) await run();
};
await Promise.all(Array.from({ length: AT_ONCE }, worker));
if (together.length > 0) {
  // The data_dir is where the others' files are looked for.
  const each = together.filter(({ key }) => key !== 'data_dir');
  const env = Object.assign({}, ...each.map((one) => one.env));
  const names = each.map(({ key }) => key);
  const hidden = each.map(({ canary }) => canary);
  if (!(await start(names, env, hidden))) throw new Error(`${names.join()}: none may stop the start`);
}
process.stdout.write(`${JSON.stringify(report)}\n`);
