import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DATA_PLANE_MAIN, Deployment } from '../e2e/deployment.ts';

const EXEC = [process.execPath, '--disable-sigusr1', '--', DATA_PLANE_MAIN, 'exec'];

describe('vaultplane-dp exec, started with open files', {
  skip: process.platform === 'linux' ? false : 'needs /proc, to know which files were open at the start',
}, () => {
  let deployment: Deployment;
  before(() => {
    deployment = new Deployment();
  });
  after(() => deployment?.stop());

  interface Run {
    command: readonly string[];
    /** What the command has at each number from 3 up. */
    files?: Array<number | 'ignore'>;
    /** A shell's text around the command, `"$@"` in it. */
    through?: string;
  }

  async function run({ command, files = [], through = 'exec "$@"' }: Run): Promise<string> {
    const env = { ...process.env, VAULTPLANE_DATA_DIR: join(deployment.folder, 'dp') };
    const child = spawn('sh', ['-c', through, 'sh', ...EXEC, '--', ...command], {
      env,
      stdio: ['ignore', 'pipe', 'pipe', ...files],
    });
    let output = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    await new Promise((resolve) => child.once('close', resolve));
    return output;
  }

  it('passes them on, and none of its own', async () => {
    const path = join(deployment.folder, 'file');
    writeFileSync(path, 'line\n');
    const files = [openSync(path, 'r'), openSync('/dev/null', 'r'), openSync(path, 'r')];
    try {
      const list = 'cat <&3; n=2; while [ $((n += 1)) -lt 60 ]; do if [ -e /proc/self/fd/$n ]; then echo $n; fi; done';
      assert.equal(await run({ command: ['sh', '-c', list], files }), 'line\n3\n4\n5\n');
      // With a gap: what Node.js opens for itself lies below it.
      const withGap = await run({
        command: ['sh', '-c', 'cat <&7; readlink /proc/self/fd/3 || echo none'],
        files: ['ignore', 'ignore', 'ignore', 'ignore', files[2]!],
      });
      assert.equal(withGap, 'line\nnone\n');
    } finally {
      for (const fd of files) closeSync(fd);
    }
  });

  it('hands over sockets of socket activation, in the name of the command', async () => {
    const server = createServer((socket) => socket.end('from the activated socket'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
      const command = 'echo "$LISTEN_FDS $(($LISTEN_PID == $$)) $(env | grep -c PIDFDID) $1"; readlink /proc/self/fd/3';
      const output = await run({
        command: ['sh', '-c', command, 'sh', 'an argument'],
        files: [fd],
        through: 'LISTEN_FDS=1 LISTEN_PIDFDID=7 LISTEN_PID=$$ exec "$@"',
      });
      assert.match(output, /^1 1 0 an argument\nsocket:\[\d+\]\n$/);
    } finally {
      server.close();
    }
  });

  it('leaves LISTEN_PID alone where it names another process', async () => {
    const output = await run({
      command: ['sh', '-c', 'echo "$LISTEN_FDS $LISTEN_PID"'],
      through: 'LISTEN_FDS=1 LISTEN_PID=1 exec "$@"',
    });
    assert.equal(output, '1 1\n');
  });

  it('says that there is no such program, also where a shell would start it', async () => {
    const output = await run({ command: ['no-such-program'], through: 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' });
    assert.match(output, /^vaultplane-dp: no-such-program can't be started: /);
  });
});
