import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, lstatSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '@vaultplane/testkit/until.ts';
import { DATA_PLANE_MAIN } from '../e2e/deployment.ts';
import { Scene } from './scene.ts';

const REFERENCE = '{vault://aws-sm-vault/outputs/password}';
/** Many times what a pipe holds. */
const VALUE = 'canary-out-'.repeat(60_000);
const STRANGER = 65_534;
const isRoot = process.getuid!() === 0;

describe('vaultplane-dp render to a path that is no regular file', () => {
  let scene: Scene;
  let folder: string;
  let template: string;
  before(async () => {
    scene = await Scene.start();
    folder = scene.deployment.folder;
    scene.emulator.putSecret('us-east-1', 'outputs', { password: VALUE });
    template = scene.file('out.tmpl', `{{ secret "${REFERENCE}" }}`);
  });
  after(() => scene?.stop());

  /** A shell, so that descriptors are what a shell makes of them. `$RENDER` is the command. */
  const shell = (script: string) => {
    const env = {
      ...scene.dataPlane.env,
      RENDER: `${process.execPath} --disable-sigusr1 ${DATA_PLANE_MAIN} render`,
      T: template,
    };
    return spawnSync('bash', ['-c', script], {
      env,
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 2 ** 24,
    });
  };
  /** What is there, and nothing beside it that a failed write would have left. */
  const fifo = (name: string) => {
    const path = join(folder, name);
    assert.equal(spawnSync('mkfifo', [path]).status, 0);
    return path;
  };
  /** Reads a pipe as a slow program does: the first bytes, a pause that it is told the end of, the rest. */
  const slowReader = (path: string) => {
    const child = spawn('sh', ['-c', 'exec 3<"$1"; head -c 10 <&3; read go; cat <&3', 'sh', path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    return {
      begun: () => until('the reader has the first bytes', () => text.length >= 10),
      rest: async () => {
        child.stdin.end('go\n');
        await once(child, 'close');
        return text;
      },
    };
  };

  it('writes the whole to a FIFO, to a reader that is slow, and leaves the FIFO there', async () => {
    const path = fifo('slow.fifo');
    const run = scene.command(['render', template, '-o', path, '--exec', 'echo told']);
    const reader = slowReader(path);
    await reader.begun();
    assert.equal(await reader.rest(), VALUE);
    const { status, stdout, stderr } = await run.ended;
    assert.deepEqual([status, stdout, stderr], [0, 'told\n', '']);
    assert.ok(lstatSync(path).isFIFO());
  });

  it('waits for the reader of a FIFO, says so, and stops on a signal', async () => {
    const path = fifo('late.fifo');
    const waits = scene.command(['render', template, '-o', path]);
    await waits.writes('waiting for a reader of', 'stderr');
    const reader = slowReader(path);
    assert.equal(await reader.rest(), VALUE);
    assert.equal((await waits.ended).status, 0);
    const stopped = scene.command(['render', template, '-o', path]);
    await stopped.writes('waiting for a reader of', 'stderr');
    stopped.kill('SIGINT');
    assert.equal((await stopped.ended).signal, 'SIGINT');
  });

  it('writes each rotation to a FIFO with --watch, and only the newest to a reader that comes late', async () => {
    scene.emulator.putSecret('us-east-1', 'piped', { foo: 'canary-1' });
    const reference = '{vault://aws-sm-vault/piped/foo}';
    const path = fifo('watched.fifo');
    const beside = join(folder, 'beside');
    mkdirSync(beside);
    const piped = scene.file('watched.fifo.tmpl', `{{ secret "${reference}" }}`);
    const plain = scene.file('plain.tmpl', `{{ secret "${reference}" }}`);
    symlinkSync(path, join(beside, 'watched.fifo'));
    const run = scene.command(['render', piped, plain, '-o', beside, '--watch']);
    await run.writes('waiting for a reader of', 'stderr');
    await scene.rotate('piped', { foo: 'canary-2' }, reference);
    await until('the file is of the rotation', () => readFileSync(join(beside, 'plain'), 'utf8') === 'canary-2');
    const read = () => spawnSync('cat', [path], { encoding: 'utf8', timeout: 30_000 }).stdout;
    assert.equal(read(), 'canary-2');
    await scene.rotate('piped', { foo: 'canary-3' }, reference);
    await until('the file is of the next', () => readFileSync(join(beside, 'plain'), 'utf8') === 'canary-3');
    assert.equal(read(), 'canary-3');
    await scene.rotate('piped', { foo: 'canary-4' }, reference);
    await until('the file is of the last', () => readFileSync(join(beside, 'plain'), 'utf8') === 'canary-4');
    run.kill('SIGTERM');
    assert.equal((await run.ended).status, 0);
    assert.ok(lstatSync(path).isFIFO());
  });

  it('writes the whole to stdout and to a descriptor, whatever they are', async () => {
    for (const output of ['-', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1', './to-stdout']) {
      if (output === './to-stdout') symlinkSync('/dev/stdout', join(folder, 'to-stdout'));
      const piped = shell(`$RENDER $T -o ${output} | (head -c 5; sleep 0.3; cat)`);
      assert.equal(piped.stderr, '', output);
      assert.ok(piped.stdout === VALUE, `${output}: ${piped.stdout.length} characters of a pipe`);
    }
    const rest: Array<[script: string, text: string]> = [
      // After what the shell has written there, and before what it writes next.
      ['(printf before; $RENDER $T -o /dev/stdout; printf after) > regular; cat regular', `before${VALUE}after`],
      ['$RENDER $T -o /dev/fd/7 7> seven; cat seven', VALUE],
      ['$RENDER $T -o >(cat > substituted); wait $!; cat substituted', VALUE],
      ['$RENDER $T -o /dev/stderr 2>&1 >/dev/null | cat', VALUE],
      ['$RENDER $T -o - >/dev/null && test -c /dev/null && echo still', 'still\n'],
      ['$RENDER $T -o - --exec "echo told" | tail -c 5', 'told\n'],
    ];
    for (const [script, text] of rest) {
      const { stdout, stderr } = shell(script);
      assert.equal(stderr, '', script);
      assert.ok(stdout === text, `${script}: ${stdout.length} characters`);
    }
  });

  it('writes the whole to a socket that is its stdout', async () => {
    const path = join(folder, 'stdout.sock');
    let text = '';
    const server = createServer((connection) => {
      connection.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      connection.once('end', () => connection.end());
    })
      .listen(path)
      .unref();
    await once(server, 'listening');
    try {
      const script = `import socket, subprocess, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
sys.exit(subprocess.call(sys.argv[2:], stdout=s))`;
      const render = [process.execPath, '--disable-sigusr1', DATA_PLANE_MAIN, 'render', template, '-o', '/dev/stdout'];
      const child: ChildProcess = spawn('python3', ['-c', script, path, ...render], {
        env: scene.dataPlane.env,
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      const [status] = await once(child, 'close');
      assert.equal(status, 0);
      await until('all has come', () => text.length >= VALUE.length);
      assert.ok(text === VALUE);
    } finally {
      server.close();
    }
  });

  it('says that the reader has gone', () => {
    const { status, stderr } = shell('set -o pipefail; $RENDER $T -o - | head -c 3 >/dev/null');
    assert.equal(stderr, "vaultplane-dp: standard output can't be written: EPIPE: broken pipe\n");
    assert.equal(status, 1);
  });

  it('refuses devices, sockets and folders by name, before anything is fetched', {
    skip: !isRoot && 'needs mknod',
  }, async () => {
    const never = scene.file('never.tmpl', '{{ secret "{vault://aws-sm-vault/never/asked-for}" }}');
    spawnSync('mknod', [join(folder, 'character'), 'c', '1', '3']);
    spawnSync('mknod', [join(folder, 'block'), 'b', '7', '200']);
    symlinkSync('character', join(folder, 'to-character'));
    const server = createServer().listen(join(folder, 'path.sock')).unref();
    await once(server, 'listening');
    const into = join(folder, 'into');
    mkdirSync(join(into, 'never'), { recursive: true });
    const refused: Array<[output: string, message: RegExp]> = [
      ['character', /character is a character device; give -o the path of a file or a pipe, or - for standard output/],
      ['to-character', /to-character is a character device/],
      ['block', /block is a block device/],
      ['path.sock', /path\.sock is a socket/],
      ['into', /never is a folder/],
      ['/dev/fd/77', /\/dev\/fd\/77 is not open/],
    ];
    for (const [output, message] of refused) {
      const { status, stderr } = await scene.command(['render', never, '-o', output]).ended;
      assert.match(stderr, message);
      assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
      assert.equal(status, 1);
    }
    server.close();
    assert.deepEqual(scene.emulator.calls({ secret: 'never' }), []);
    assert.ok(lstatSync(join(folder, 'character')).isCharacterDevice());
    assert.ok(lstatSync(join(folder, 'block')).isBlockDevice());
  });

  it('writes nothing to a FIFO of another user', { skip: !isRoot && 'needs to be two users' }, async () => {
    const path = fifo('foreign.fifo');
    chownSync(path, STRANGER, STRANGER);
    const { status, stderr } = await scene.command(['render', template, '-o', path]).ended;
    assert.match(stderr, /foreign\.fifo is a pipe of another user \(user 65534\), who could read/);
    assert.equal(status, 1);
    const meant = scene.command(['render', template, '-o', path, '--owner', 'nobody']);
    assert.equal(spawnSync('cat', [path], { encoding: 'utf8', maxBuffer: 2 ** 24 }).stdout, VALUE);
    assert.equal((await meant.ended).status, 0);
  });
});
