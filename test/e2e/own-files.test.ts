import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Program } from '@vaultplane/local/program.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { type ControlPlane, DATA_PLANE_MAIN, type DataPlane, Deployment } from './deployment.ts';

async function stage(t: TestContext): Promise<{ deployment: Deployment; control: ControlPlane }> {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const control = await deployment.planControlPlane('cp');
  await control.start();
  return { deployment, control };
}

/** A data plane with a data_dir and ports of its own, and a Unix socket. */
async function plan(name: string, deployment: Deployment, control: ControlPlane, socket: string, dataDir?: string) {
  return deployment.planDataPlane(name, control, {
    VAULTPLANE_API_UNIX_SOCKET: socket,
    VAULTPLANE_VAULT_ENV_PREFIX: 'app_',
    APP_NAME: name,
    ...(dataDir !== undefined && { VAULTPLANE_DATA_DIR: dataDir }),
  });
}

const inodeOf = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.ino;

/** The value that whoever listens on a Unix socket has. */
function valueAt(socketPath: string, { token }: DataPlane): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let text = '';
    socket.on('error', reject).on('data', (bytes) => (text += bytes));
    socket.on('end', () => resolve(/"value":"(.*?)"/.exec(text)?.[1] ?? text));
    socket.write(
      `GET /v1/resolve?ref={vault://env/name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
    );
  });
}

/** Its last words. @throws where it starts after all */
async function failedStart(dataPlane: DataPlane): Promise<string> {
  const started: Program | Error = await dataPlane.startUnready().catch((error: Error) => error);
  assert.ok(started instanceof Error, 'a second one has started');
  return started.message;
}

describe('the api_unix_socket of a data plane', () => {
  it('stays with the one that has it, where a second one is started', async (t) => {
    const { deployment, control } = await stage(t);
    const socket = join(deployment.folder, 'api.sock');
    const first = await plan('first', deployment, control, socket);
    await first.start();
    const inode = inodeOf(socket);
    const second = await plan('second', deployment, control, socket);
    assert.match(await failedStart(second), /api_unix_socket = .*api\.sock is in use by another program/);
    assert.equal(inodeOf(socket), inode);
    assert.equal(await valueAt(socket, first), 'first');
  });

  it('is left to the successor by one that drains, and by one whose socket was replaced', async (t) => {
    const { deployment, control } = await stage(t);
    const socket = join(deployment.folder, 'api.sock');
    const first = await plan('first', deployment, control, socket);
    const old = await first.start();
    // A call that has begun holds it up.
    const slow = connect(socket);
    t.after(() => slow.destroy());
    slow.on('error', () => {});
    slow.write(
      `POST /v1/resolve HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${first.token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    );
    assert.equal(await valueAt(socket, first), 'first');
    old.send('SIGTERM');
    await until('the name is free', () => !existsSync(socket));
    const second = await plan('second', deployment, control, socket);
    const next = await second.start();
    assert.ok(old.running, 'the first has gone before its successor came');
    slow.destroy();
    await old.exited;
    assert.equal(await valueAt(socket, second), 'second');
    await next.stop();
    assert.ok(!existsSync(socket));
  });

  it('is taken over from one that was killed', async (t) => {
    const { deployment, control } = await stage(t);
    const socket = join(deployment.folder, 'api.sock');
    const dataPlane = await plan('dp', deployment, control, socket);
    await (await dataPlane.start()).kill('SIGKILL');
    assert.ok(existsSync(socket));
    await dataPlane.start();
    assert.equal(await valueAt(socket, dataPlane), 'dp');
  });

  it('is no reason to remove a file that is no socket', async (t) => {
    const { deployment, control } = await stage(t);
    const socket = join(deployment.folder, 'api.sock');
    writeFileSync(socket, 'mine');
    assert.match(await failedStart(await plan('dp', deployment, control, socket)), /api_unix_socket/);
    assert.equal(readFileSync(socket, 'utf8'), 'mine');
  });
});

describe('a data_dir', () => {
  it('has one data plane; a second one is refused and changes nothing, commands read beside it, SIGKILL frees it', async (t) => {
    const { deployment, control } = await stage(t);
    const socket = join(deployment.folder, 'api.sock');
    const first = await plan('first', deployment, control, socket);
    const running = await first.start();
    await first.savedWhatIsOf(control);
    const files = () =>
      readdirSync(first.dataDir)
        .filter((name) => !name.startsWith('.'))
        .map((name) => `${name} ${inodeOf(join(first.dataDir, name))}`)
        .sort();
    const before = files();
    const second = await plan('second', deployment, control, `${socket}.2`, first.dataDir);
    const words = await failedStart(second);
    assert.match(words, /data_dir .*first is in use by another process.*; stop that one, or set another data_dir/);
    assert.deepEqual(files(), before);
    assert.equal(await valueAt(socket, first), 'first');

    // With addresses where no data plane answers, commands resolve by themselves.
    const command = (args: readonly string[], env: NodeJS.ProcessEnv) =>
      spawnSync(process.execPath, [DATA_PLANE_MAIN, ...args], { env, encoding: 'utf8' });
    for (const args of [
      ['get', '{vault://env/name}'],
      ['exec', '--env', 'X={vault://env/name}', '--', 'printenv', 'X'],
    ]) {
      const { status, stdout, stderr } = command(args, second.env);
      assert.deepEqual([status, stdout.trim(), stderr], [0, 'second', ''], String(args));
    }
    assert.equal(command(['check'], first.env).status, 0);

    // One that is stopping still has it: the next one waits.
    const held = connect(socket);
    t.after(() => held.destroy());
    held.on('error', () => {});
    held.write(
      `POST /v1/resolve HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${first.token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    );
    assert.equal(await valueAt(socket, first), 'first');
    running.send('SIGTERM');
    await until('it stops', () => !existsSync(socket));
    const successor = first.start();
    await until('it is waited for', () => running.output.includes('waiting_for_another_data_plane'));
    held.destroy();
    const next = await successor;
    assert.equal(await valueAt(socket, first), 'first');

    await next.kill('SIGKILL');
    const again = await first.start();
    assert.equal(await valueAt(socket, first), 'first');
    await again.stop();
    assert.ok(!existsSync(join(first.dataDir, 'data-plane.lock')));
  });
});
