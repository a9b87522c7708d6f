import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Ran, runCommand } from '../interop/command.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Everything that reads a command line with Commander and `runCli`. */
const PROGRAMS = [
  'control-plane/src/main.ts',
  'data-plane/src/main.mjs',
  'deploy/local/start.ts',
  'deploy/local/vaultplane.ts',
  'test/bench/run.ts',
  'test/drills/run.ts',
  'test/fuzz/run.ts',
];
const SIDE_BY_SIDE = 3;
/** It looks like a token, and so must not be shown. */
const SECRET = 'Zq8vT3xKp0LmN5rWy2Bd';

/** A command as its --help tells it. */
interface Told {
  program: string;
  path: string[];
  options: string[];
  children: string[];
  takesMany: boolean;
  passesThrough: boolean;
}

function run(program: string, args: readonly string[]): Promise<Ran> {
  return runCommand(process.execPath, [ROOT + program, ...args], { PATH: process.env.PATH }, ROOT);
}

async function told(program: string, path: string[] = []): Promise<Told[]> {
  const { stdout } = await run(program, [...path, '--help']);
  const [, usage = ''] = /^Usage: (.*?)\n\n/s.exec(stdout) ?? [];
  const [, section = ''] = /\nCommands:\n(.*?)(?:\n\n|$)/s.exec(stdout) ?? [];
  const children = [...section.matchAll(/^ {2}([a-z][a-z-]*)/gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'help');
  const [, ownOptions = ''] = /\nOptions:\n(.*?)(?:\n\n|$)/s.exec(stdout) ?? [];
  const options = [...ownOptions.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option!);
  const command = {
    ...{ program, path, options, children },
    takesMany: /\.\.\./.test(usage),
    passesThrough: path[0] === 'aws-emulator',
  };
  const below = await Promise.all(children.map((child) => told(program, [...path, child])));
  return [command, ...below.flat()];
}

/** Runs every case, some side by side, and collects what is wrong of each. */
async function problems(cases: ReadonlyArray<() => Promise<string | undefined>>): Promise<string[]> {
  const found: string[] = [];
  const left = [...cases];
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) found.push(...[(await next()) ?? []].flat());
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  return found;
}

describe('a command line with a name that is none', async () => {
  const commands = (await Promise.all(PROGRAMS.map((program) => told(program)))).flat();
  const own = commands.filter(({ passesThrough }) => !passesThrough);

  it('is refused with the nearest option, and without its value, by every command', async () => {
    assert.ok(own.length > 30, `${own.length} commands`);
    const cases = own.map(({ program, path, options }) => async () => {
      const option = options.findLast((each) => each !== '--help' && each !== '--version') ?? '--help';
      const misspelt = option.slice(0, -1);
      const { status, stderr } = await run(program, [...path, `${misspelt}=${SECRET}`]);
      const isTold = stderr.startsWith(`error: unknown option '${misspelt}'; did you mean --`);
      const isRefused = status === 2 && isTold && !stderr.includes(SECRET);
      return isRefused ? undefined : `${program} ${path.join(' ')} ${misspelt}: ${status} ${stderr}`;
    });
    assert.deepEqual(await problems(cases), []);
  });

  it('is refused with the nearest command, by every command that has some', async () => {
    const cases = own
      .filter(({ children }) => children.length > 0)
      .map(({ program, path, children }) => async () => {
        const misspelt = children.at(-1)!.slice(0, -1);
        const { status, stderr } = await run(program, [...path, misspelt]);
        const isTold = stderr.startsWith(`error: unknown command '${misspelt}'; did you mean `);
        return status === 2 && isTold ? undefined : `${program} ${path.join(' ')} ${misspelt}: ${status} ${stderr}`;
      });
    assert.deepEqual(await problems(cases), []);
  });

  it('is refused where it is one argument too many, which is not shown', async () => {
    const cases = own
      .filter(({ takesMany }) => !takesMany)
      .map(({ program, path, children }) => async () => {
        // One more than any command takes.
        const args = children.length > 0 ? [SECRET] : ['a:1', 'b', SECRET];
        const { status, stdout, stderr } = await run(program, [...path, ...args]);
        const isRefused = status === 2 && !(stdout + stderr).includes(SECRET);
        return isRefused ? undefined : `${program} ${path.join(' ')}: ${status} ${stdout}${stderr}`;
      });
    assert.deepEqual(await problems(cases), []);
  });

  const IGNORED: Array<[program: string, args: string[], stderr: RegExp]> = [
    ['data-plane/src/main.mjs', ['exec', '--grace', '3', '--', 'true'], /--grace goes with --restart-on-rotation only/],
    [
      'data-plane/src/main.mjs',
      ['render', 't', '-o', 'f', '--exec-timeout', '3s'],
      /--exec-timeout goes with --exec only/,
    ],
    ['data-plane/src/main.mjs', ['render', 't', '-o', '-', '--mode', '600'], /--mode is of a file, and -o - is/],
    ['data-plane/src/main.mjs', ['render', 't', '-o', '-', '--owner', 'root'], /--owner is of a file, and -o - is/],
    [
      'data-plane/src/main.mjs',
      ['check', '--suggest-policy', '--json'],
      /--suggest-policy and --json exclude each other/,
    ],
    ['data-plane/src/main.mjs', ['drill', 'cp-outage', '--report-token-file', 'f'], /goes with --report-to only/],
    ['data-plane/src/main.mjs', ['drill', 'cp-outag'], /is invalid for .*; did you mean cp-outage\?\n$/],
    ['data-plane/src/main.mjs', ['status', 'json'], /too many arguments .*; did you mean --json\?\n$/],
    ['control-plane/src/main.ts', ['--conf', 'f', 'start'], /an option of a command, and goes behind its name/],
    ['control-plane/src/main.ts', ['token', 'create', '--role', 'raeder'], /is invalid.*; did you mean reader\?\n$/],
    ['test/drills/run.ts', ['--all', 'cp-killed'], /--all takes no name of a drill/],
    ['test/drills/run.ts', ['--list', 'cp-killed'], /--list takes no name of a drill/],
    ['test/drills/run.ts', ['cp-kiled'], /there is no drill cp-kiled; did you mean cp-killed\?/],
    ['test/drills/run.ts', ['cp-killed', '--report-token-file', 'f'], /goes with --report-to only/],
    ['test/bench/run.ts', ['--list', 'herd'], /--list takes no name of a benchmark/],
    ['test/bench/run.ts', ['herdd'], /there is no benchmark herdd; did you mean herd\?/],
    ['test/bench/run.ts', ['--tiny', '--rounds', '5'], /--tiny and --rounds exclude each other/],
    ['test/fuzz/run.ts', ['referencs'], /there is no referencs to try; did you mean references\?/],
    ['test/run.ts', ['no-such-test', 'test/static/timers'], /no test file has no-such-test in its path/],
    ['test/run.ts', ['--al'], /it takes no options/],
  ];
  for (const [program, args, expected] of IGNORED) {
    it(`${program} refuses ${args.join(' ')}`, async () => {
      const { status, stderr } = await run(program, args);
      assert.equal(status, 2, stderr);
      assert.match(stderr, expected);
    });
  }
});
