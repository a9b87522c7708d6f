import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { until } from '@vaultplane/testkit/until.ts';
import { DATA_PLANE_MAIN, Deployment } from '../e2e/deployment.ts';
import { missing } from './command.ts';

const CTRL_C = '\x03';
const EXEC = `${process.execPath} --disable-sigusr1 -- ${DATA_PLANE_MAIN} exec`;
/** Says how often it has got SIGINT, and the process id of its parent, which is exec. */
const COUNTER = `'n=0; trap "n=\\$((n+1)); echo got \\$n" INT; trap "echo ends; exit 3" TERM; echo ready $PPID.; while :; do sleep 0.05; done'`;

describe('vaultplane-dp exec on a terminal', {
  skip: process.platform === 'linux' ? missing('script', '--version') : 'needs the script command of util-linux',
}, () => {
  let deployment: Deployment;
  const terminals: Terminal[] = [];
  before(() => {
    deployment = new Deployment();
  });
  after(async () => {
    for (const terminal of terminals) terminal.close();
    await deployment?.stop();
  });

  function open(command: string): Terminal {
    const terminal = new Terminal(command, { ...process.env, VAULTPLANE_DATA_DIR: `${deployment.folder}/dp` });
    terminals.push(terminal);
    return terminal;
  }

  for (const [stdin, redirection] of [
    ['the terminal', ''],
    ['a file', '< /dev/null'],
  ] as const) {
    it(`gives one SIGINT for a Ctrl-C and one for a kill, with ${stdin} as its input`, async () => {
      const terminal = open(`${EXEC} -- sh -c ${COUNTER} ${redirection}`);
      const pid = Number((await terminal.shows(/ready (\d+)\./))[1]);
      terminal.type(CTRL_C);
      await terminal.shows(/got 1/);
      process.kill(pid, 'SIGINT');
      await terminal.shows(/got 2/);
      terminal.type(CTRL_C);
      await terminal.shows(/got 3/);
      // What came twice would have been told by now: signals are delivered before those that are sent later.
      process.kill(pid, 'SIGTERM');
      await terminal.shows(/ends/);
      assert.doesNotMatch(terminal.output, /got 4/);
    });
  }

  it('gives one signal for one that was sent to the whole job, as `kill %1` sends it', async () => {
    const terminal = open(`${EXEC} -- sh -c ${COUNTER}`);
    const pid = Number((await terminal.shows(/ready (\d+)\./))[1]);
    process.kill(-groupOf(pid), 'SIGINT');
    await terminal.shows(/got 1/);
    process.kill(pid, 'SIGINT');
    await terminal.shows(/got 2/);
    process.kill(pid, 'SIGTERM');
    await terminal.shows(/ends/);
    assert.doesNotMatch(terminal.output, /got 3/);
  });

  it('lets the command read from the terminal, and leaves the other end of a pipe alone', async () => {
    const script = `'read a; read b < /dev/tty; echo "read $a $b"; trap "echo ends; exit" TERM; echo ready $PPID. >&2; while :; do sleep 0.05; done'`;
    const terminal = open(`${EXEC} -- sh -c ${script} | sh -c 'trap "echo not for me" TERM; cat; echo end of input'`);
    terminal.type('one\n');
    terminal.type('two\n');
    const pid = Number((await terminal.shows(/ready (\d+)\./))[1]);
    process.kill(pid, 'SIGTERM');
    await terminal.shows(/read one two/);
    await terminal.shows(/end of input/);
    assert.doesNotMatch(terminal.output, /not for me/);
  });

  it('stops with the command at Ctrl-Z, and goes on with it', async () => {
    const terminal = open(`bash -ic '${EXEC} -- sh -c "echo ready \\$PPID.; exec cat"; echo back; read go; fg'`);
    const pid = Number((await terminal.shows(/ready (\d+)\./))[1]);
    terminal.type('\x1a');
    await until('exec is stopped', () => stateOf(pid) === 'T');
    await terminal.shows(/back/);
    terminal.type('go\n');
    await until('exec goes on', () => stateOf(pid) !== 'T');
    terminal.type('again\n');
    await terminal.shows(/again\s+again/);
    terminal.type('\x04');
    await terminal.ended;
  });
});

/** A terminal with a command in its foreground. */
class Terminal {
  output = '';
  readonly ended: Promise<void>;
  readonly #script: ChildProcess;

  constructor(command: string, env: NodeJS.ProcessEnv) {
    this.#script = spawn('script', ['-qfec', command, '/dev/null'], { env: { ...env, SHELL: '/bin/sh' } });
    this.#script.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.ended = new Promise((resolve) => this.#script.once('exit', () => resolve()));
  }

  type(text: string): void {
    this.#script.stdin!.write(text);
  }

  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    await until(`${pattern} in ${JSON.stringify(this.output)}`, () => pattern.test(this.output)).catch((error) => {
      throw new Error(`${error.message}: ${this.output}`);
    });
    return pattern.exec(this.output)!;
  }

  close(): void {
    this.#script.kill('SIGKILL');
  }
}

/** Fields of proc_pid_stat(5) behind the name. */
function fieldsOf(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

const stateOf = (pid: number) => fieldsOf(pid)[0];
const groupOf = (pid: number) => Number(fieldsOf(pid)[2]);
