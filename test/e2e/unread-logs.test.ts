import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { until } from '@vaultplane/testkit/until.ts';
import { CONTROL_PLANE_MAIN, type ControlPlane, DATA_PLANE_MAIN, type DataPlane, Deployment } from './deployment.ts';

/** A pipe that is full, and who could read it. */
class FullPipe {
  readonly path: string;
  readonly fd: number;
  text = '';

  constructor(t: TestContext, folder: string) {
    this.path = join(folder, 'stderr');
    execFileSync('mkfifo', [this.path]);
    this.fd = openSync(this.path, constants.O_RDWR | constants.O_NONBLOCK);
    t.after(() => closeSync(this.fd));
    const line = Buffer.from(`${'older'.padEnd(1023, '.')}\n`);
    assert.throws(() => {
      for (;;) writeSync(this.fd, line);
    }, /EAGAIN/);
  }

  /** Reads what is there now. */
  read(): string {
    const bytes = Buffer.alloc(1 << 20);
    try {
      for (;;) this.text += bytes.toString('utf8', 0, readSync(this.fd, bytes, 0, bytes.length, null));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
    }
    return this.text;
  }

  /** The stderr of a child: the program must not find O_NONBLOCK there. */
  async given<R>(use: (fd: number) => R): Promise<R> {
    const fd = openSync(this.path, constants.O_WRONLY);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  }
}

/** How a program's stderr may stand there unread: a full pipe, or the socket that Node.js and systemd give. */
type Unread = 'pipe' | 'socket';

/** Starts a program whose stderr nobody reads. */
async function spawnUnread(
  t: TestContext,
  stderr: FullPipe | 'socket',
  main: string,
  args: string[],
  env: NodeJS.ProcessEnv,
): Promise<{ child: ChildProcess; ended: Promise<number | string | null> }> {
  const spawned = (into: number | 'pipe') =>
    spawn(process.execPath, ['--disable-sigusr1', main, ...args], { env, stdio: ['ignore', 'ignore', into] });
  const child = stderr === 'socket' ? spawned('pipe') : await stderr.given(spawned);
  child.stderr?.pause();
  const ended = new Promise<number | string | null>((resolve) =>
    child.once('exit', (status, signal) => resolve(status ?? signal)),
  );
  t.after(() => child.kill('SIGKILL'));
  return { child, ended };
}

const isReady = (statusUrl: string) => () =>
  fetch(`${statusUrl}/status/ready`, { signal: AbortSignal.timeout(1000) }).then(
    async (answer) => (await answer.text()) !== '' && answer.ok,
    () => false,
  );

async function plan(t: TestContext): Promise<{ deployment: Deployment; control: ControlPlane; data: DataPlane }> {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const control = await deployment.planControlPlane('cp', { VAULTPLANE_LOG_LEVEL: 'debug' });
  const data = await deployment.planDataPlane('dp', control, {
    VAULTPLANE_LOG_LEVEL: 'debug',
    VAULTPLANE_VAULT_ENV_PREFIX: 'app_',
    APP_NAME: 'shop',
  });
  return { deployment, control, data };
}

async function droppedBy(statusUrl: string): Promise<number> {
  const text = await (await fetch(`${statusUrl}/metrics`, { signal: AbortSignal.timeout(10_000) })).text();
  return Number(/^vaultplane_log_lines_dropped_total (\d+)$/m.exec(text)?.[1]);
}

/** So many that what is kept for a reader, and what a socket takes, are not enough for their log lines. */
const CALLS = 2500;
/** The longest that is taken, which makes a line of it some 400 bytes. */
const headers = { 'x-request-id': 'x'.repeat(128) };
const AT_ONCE = 50;

async function many(call: () => Promise<unknown>): Promise<void> {
  for (let done = 0; done < CALLS; done += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, call));
  }
}

for (const unread of ['pipe', 'socket'] satisfies Unread[]) {
  describe(`with a ${unread} for stderr that nobody reads`, () => {
    it('a control plane serves, tells its status and stops', async (t) => {
      const { deployment, control } = await plan(t);
      const stderr = unread === 'pipe' ? new FullPipe(t, deployment.folder) : unread;
      const { child, ended } = await spawnUnread(t, stderr, CONTROL_PLANE_MAIN, ['start'], control.env);
      await until('ready', isReady(control.statusUrl));
      await many(async () => {
        const answer = await fetch(`${control.adminUrl}/vaults`, { headers, signal: AbortSignal.timeout(10_000) });
        assert.equal((await answer.text()) && answer.status, 200);
      });
      await control.putVault('shop', { name: 'env' });
      assert.ok((await droppedBy(control.statusUrl)) > 0);
      child.kill('SIGTERM');
      assert.equal(await ended, 0);
    });

    it('a data plane serves, tells its status, says how many lines were dropped once they are read, and stops', async (t) => {
      const { deployment, control, data } = await plan(t);
      await control.start();
      const stderr = unread === 'pipe' ? new FullPipe(t, deployment.folder) : unread;
      const { child, ended } = await spawnUnread(t, stderr, DATA_PLANE_MAIN, ['start'], data.env);
      await until('ready', isReady(data.statusUrl));
      const call = { headers: { ...headers, authorization: `Bearer ${data.token}` } };
      await many(async () => {
        const url = `${data.apiUrl}/v1/resolve?ref={vault://none/x}`;
        const answer = await fetch(url, { ...call, signal: AbortSignal.timeout(10_000) });
        assert.match(await answer.text(), /unknown_vault/);
      });
      assert.equal((await data.resolve('{vault://env/name}')).value, 'shop');
      const dropped = await droppedBy(data.statusUrl);
      assert.ok(dropped > 0, `${dropped} lines dropped`);

      let read = '';
      if (stderr === 'socket') child.stderr!.on('data', (bytes) => (read += bytes)).resume();
      const told = () => {
        const text = stderr === 'socket' ? read : stderr.read();
        return /^\{.*"event":"log_lines_were_dropped".*\}$/m.exec(text)?.[0];
      };
      await until('told', () => told() !== undefined);
      const line = JSON.parse(told()!) as { lines: number; level: string };
      assert.ok(line.lines >= dropped, JSON.stringify(line));
      assert.equal(line.level, 'warn');
      child.kill('SIGTERM');
      assert.equal(await ended, 0);
    });
  });
}

describe('with a full pipe for stderr', () => {
  it('a start that fails waits for its reader for a while, and not for ever', async (t) => {
    const { deployment, data } = await plan(t);
    const pipe = new FullPipe(t, deployment.folder);
    const env = { ...data.env, VAULTPLANE_STATUS_LISTEN: 'nowhere' };
    const unheard = await spawnUnread(t, pipe, DATA_PLANE_MAIN, ['start'], env);
    assert.equal(await unheard.ended, 1);
    // Read from when it has something to say: it is past its own start then, and waits.
    const heard = await spawnUnread(t, pipe, DATA_PLANE_MAIN, ['start'], env);
    const reading = setInterval(() => pipe.read(), 20);
    t.after(() => clearInterval(reading));
    assert.equal(await heard.ended, 1);
    assert.match(pipe.read(), /^vaultplane-dp: .*status_listen = "nowhere" is not allowed/m);
  });

  it('render --watch goes on and stops, and leaves the pipe as it was for others', async (t) => {
    const { deployment, control, data } = await plan(t);
    await control.start();
    const program = await data.start();
    const pipe = new FullPipe(t, deployment.folder);
    const template = join(deployment.folder, 'a.tmpl');
    const file = join(deployment.folder, 'a');
    writeFileSync(template, '{{ secret "{vault://env/name}" }}');
    const args = ['render', template, '-o', file, '--watch', '--exec', `echo done >> ${file}.done`];
    const { child, ended } = await spawnUnread(t, pipe, DATA_PLANE_MAIN, args, data.env);
    await until('rendered', () => existsSync(`${file}.done`));
    // It warns of a data plane that is gone, and of a template that is none, and nobody hears of it.
    await program.stop();
    writeFileSync(template, '{{ secret');
    for (let time = 0; time < 20; time++) child.kill('SIGHUP');
    const [, flags] = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/${child.pid}/fdinfo/2`, 'utf8'))!;
    assert.equal(Number.parseInt(flags!, 8) & constants.O_NONBLOCK, 0);
    child.kill('SIGTERM');
    assert.equal(await ended, 0);
  });
});
