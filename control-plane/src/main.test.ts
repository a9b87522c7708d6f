import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, lstatSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { quickestRunMs } from '@vaultplane/testkit/quickest-run.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const TOKEN = 'canary-admin-token-of-the-program';

/** vaultplane-cp as a process, as its users have it. */
describe('the program', () => {
  let directory: string;
  let env: NodeJS.ProcessEnv;
  let holder: ReturnType<typeof createServer>;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaultplane-cp-main-'));
    holder = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(holder, 'listening');
    env = {
      PATH: process.env.PATH,
      VAULTPLANE_DATA_DIR: join(directory, 'data'),
      VAULTPLANE_ADMIN_LISTEN: '127.0.0.1:0',
      VAULTPLANE_CLUSTER_LISTEN: '127.0.0.1:0',
      VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0',
      VAULTPLANE_ADMIN_TOKEN: TOKEN,
    };
  });
  after(() => {
    holder.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const launch = (args: string[], more: NodeJS.ProcessEnv = {}) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...env, ...more },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const output = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output.err += text;
    });
    return { child, output };
  };
  const run = async (args: string[], more: NodeJS.ProcessEnv = {}, input = '') => {
    const { child, output } = launch(args, more);
    child.stdin.end(input);
    const [status] = await once(child, 'close');
    return { status, ...output };
  };
  /** Waits for the line that says it is ready, and gives it. */
  const ready = async ({ child, output }: ReturnType<typeof launch>) => {
    for (;;) {
      const line = output.err.split('\n').find((text) => /"msg":"ready"/.test(text));
      if (line) return JSON.parse(line) as { admin: string; cluster: string; status: string };
      if (child.exitCode !== null) throw new Error(output.err);
      await Promise.race([once(child.stderr!, 'data'), once(child, 'exit')]);
    }
  };
  const end = async (child: ChildProcess, signal: NodeJS.Signals) => {
    const ended = once(child, 'close');
    child.kill(signal);
    return ended;
  };

  it('starts with one line that has all addresses, and stops in order on SIGTERM, within two seconds', async () => {
    const started = launch(['start']);
    const { admin, cluster, status } = await ready(started);
    assert.match(cluster, /^wss:\/\/127\.0\.0\.1:\d+\/v1\/cluster$/);
    assert.equal((await fetch(`${status}/status/ready`)).status, 200);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const made = await fetch(`${admin}/vaults/my-vault`, {
      method: 'PUT',
      headers,
      body: new URLSearchParams({ name: 'env' }),
    });
    assert.equal(made.status, 200);
    assert.equal(statSync(env.VAULTPLANE_DATA_DIR!).mode & 0o777, 0o700);
    assert.equal(statSync(join(env.VAULTPLANE_DATA_DIR!, 'cluster.key')).mode & 0o777, 0o600);

    // A second one on the same data_dir.
    const second = await run(['start']);
    assert.equal(second.status, 1);
    assert.match(
      second.err,
      /^vaultplane-cp: data_dir .* is in use by another process; stop that one, or set another data_dir\n$/m,
    );

    const stop = async (child: ChildProcess) => {
      const begun = performance.now();
      assert.deepEqual(await end(child, 'SIGTERM'), [0, null]);
      return performance.now() - begun;
    };
    let next: ChildProcess | null = started.child;
    const limitMs = 2000;
    const tookMs = await quickestRunMs(limitMs, async () => {
      if (next === null) {
        const again = launch(['start']);
        await ready(again);
        next = again.child;
      }
      const child = next;
      next = null;
      return stop(child);
    });
    assert.ok(tookMs < limitMs, `${tookMs} ms`);
    assert.ok(!(started.output.err + started.output.out + second.err).includes(TOKEN));
  });

  it('has what it had after a SIGKILL, and takes its data_dir over', async () => {
    const killed = launch(['start']);
    await ready(killed);
    await end(killed.child, 'SIGKILL');
    const again = launch(['start']);
    const { admin } = await ready(again);
    const answer = await fetch(`${admin}/vaults/my-vault`, { headers: { 'kong-admin-token': TOKEN } });
    assert.equal(answer.status, 200);
    await end(again.child, 'SIGINT');
  });

  it('says in one line which setting to change when a port is in use', async () => {
    const { port } = holder.address() as { port: number };
    for (const setting of ['admin_listen', 'cluster_listen', 'status_listen']) {
      const name = `VAULTPLANE_${setting.toUpperCase()}`;
      const { status, err } = await run(['start'], { [name]: `127.0.0.1:${port}` });
      assert.equal(status, 1);
      const said = err.split('\n').filter((line) => line.startsWith('vaultplane-cp: '));
      assert.equal(said.length, 1, err);
      assert.match(
        said[0]!,
        new RegExp(`${setting} = 127\\.0\\.0\\.1:${port} is in use .*set ${setting} \\(or ${name}\\)`),
      );
    }
  });

  it('keeps its facts with its exit status: migrate --status, migrate, check', async () => {
    const fresh = { VAULTPLANE_DATA_DIR: join(directory, 'fresh') };
    const before = await run(['migrate', '--status', '--json'], fresh);
    assert.equal(before.status, 0);
    assert.equal(JSON.parse(before.out).applied, 0);
    const checked = await run(['check'], fresh);
    assert.equal(checked.status, 0, checked.out);
    assert.match(checked.out, /will be made at the start/);
    assert.throws(() => statSync(fresh.VAULTPLANE_DATA_DIR), { code: 'ENOENT' });
    assert.equal((await run(['migrate'], fresh)).status, 0);
    const after = await run(['migrate', '--status', '--json'], fresh);
    assert.deepEqual([after.status, JSON.parse(after.out).pending], [0, []]);

    const bad = join(directory, 'no.crt');
    writeFileSync(bad, 'nothing');
    const failed = await run(['check', '--json'], { VAULTPLANE_CLUSTER_CERT: bad, VAULTPLANE_CLUSTER_CERT_KEY: bad });
    assert.equal(failed.status, 1);
    assert.equal(JSON.parse(failed.out).ok, false);
    const keyless = await run(['check'], { ...fresh, VAULTPLANE_KEYRING_KEY_FILE: bad });
    assert.equal(keyless.status, 1);
    assert.match(keyless.out, /^FAILED {2}keyring_key_file: .*must hold 32 bytes/m);
  });

  it('dumps, compares and applies the configuration, with and without a control plane that runs', async () => {
    const file = join(directory, 'vaults.yml');
    assert.equal((await run(['config', 'dump', '-o', file])).status, 0);
    assert.match(readFileSync(file, 'utf8'), /prefix: my-vault/);
    const pipe = join(directory, 'vaults.fifo');
    spawnSync('mkfifo', [pipe]);
    const dumped = run(['config', 'dump', '-o', pipe]);
    const reader = spawn('cat', [pipe]);
    const [read] = await once(reader.stdout.setEncoding('utf8'), 'data');
    assert.equal(read, readFileSync(file, 'utf8'));
    assert.equal((await dumped).status, 0);
    assert.equal((await run(['config', 'dump', '-o', '-'])).out, read);
    assert.ok(lstatSync(pipe).isFIFO());
    if (process.getuid?.() === 0) {
      const device = join(directory, 'device');
      spawnSync('mknod', [device, 'c', '1', '3']);
      chownSync(file, 1234, 2345);
      assert.equal((await run(['config', 'dump', '-o', file])).status, 0);
      assert.deepEqual([statSync(file).uid, statSync(file).gid], [1234, 2345]);
      const refused = await run(['config', 'dump', '-o', device]);
      assert.equal(refused.status, 1);
      assert.match(refused.err, /device is a character device; give -o the path of a file or a pipe/);
      assert.ok(lstatSync(device).isCharacterDevice());
    }
    assert.equal((await run(['config', 'diff', file])).status, 0);

    const more = `${readFileSync(file, 'utf8')}  - prefix: from-a-file\n    name: aws\n`;
    const started = launch(['start']);
    const { admin } = await ready(started);
    const through = { VAULTPLANE_ADMIN_LISTEN: new URL(admin).host };
    const diff = await run(['config', 'diff', '-', '--json'], through, more);
    const { changes, ...prefixes } = JSON.parse(diff.out);
    assert.deepEqual([diff.status, prefixes], [1, { create: ['from-a-file'], update: [], delete: [] }]);
    assert.equal(changes.length, 1);
    const applied = await run(['config', 'apply', '-'], through, more);
    assert.equal(applied.status, 0, applied.err);
    assert.match(
      applied.out,
      /^\+ vault from-a-file\n\+ {3}name: "aws"\n\+ {3}prefix: "from-a-file"\n1 to create, .*\nversion \d+\n$/,
    );
    assert.equal((await run(['config', 'diff', '-'], through, more)).status, 0);
    const wrong = await run(['config', 'apply', '-'], through, 'vaults: [{name: nope, prefix: a-b}]');
    assert.equal(wrong.status, 1);
    assert.equal((await run(['config', 'diff', join(directory, 'none.yml')], through)).status, 2);
    assert.match(wrong.err, /_format_version: required field missing; vaults\.1: .*not installed/);
    await end(started.child, 'SIGTERM');
  });

  it('makes tokens, also while a control plane has the database open', async () => {
    const made = await run(['token', 'create', '--role', 'reader', '--json']);
    assert.equal(made.status, 0, made.err);
    const { token, role } = JSON.parse(made.out);
    assert.equal(role, 'reader');
    const started = launch(['start']);
    const { admin } = await ready(started);
    const through = { VAULTPLANE_ADMIN_LISTEN: new URL(admin).host };
    const other = await run(['token', 'create', '--role', 'admin', '--name', 'for CI'], through);
    for (const given of [token, other.out.trim()]) {
      assert.equal((await fetch(`${admin}/vaults`, { headers: { 'kong-admin-token': given } })).status, 200);
    }
    const refused = await run(['token', 'create', '--role', 'admin'], { ...through, VAULTPLANE_ADMIN_TOKEN: token });
    assert.equal(refused.status, 1);
    assert.match(refused.err, /says 403: This needs the role admin\n$/);
    await end(started.child, 'SIGTERM');
    assert.ok(!started.output.err.includes(token));
  });

  it('makes certificates', async () => {
    const out = join(directory, 'certs');
    const { status, out: said } = await run(['certs', 'create', '--out', out, '--json']);
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(said), { files: [join(out, 'cluster.crt'), join(out, 'cluster.key')] });
    const again = await run(['certs', 'create', '--out', out]);
    assert.deepEqual([again.status, again.err.split('\n').length], [1, 2]);
    const node = await run(['certs', 'create', '--out', join(directory, 'pki'), '--node', 'dp-1', '--json']);
    const files: string[] = JSON.parse(node.out).files;
    assert.deepEqual(
      files.map((file) => [file.slice(join(directory, 'pki/').length), (statSync(file).mode & 0o777).toString(8)]),
      [
        ['ca.crt', '644'],
        ['ca.key', '600'],
        ['dp-1.crt', '644'],
        ['dp-1.key', '600'],
      ],
    );
  });

  it('names the files that TLS can not use, at the start and in check', async () => {
    const [a, b] = [join(directory, 'a'), join(directory, 'b')];
    for (const out of [a, b]) await run(['certs', 'create', '--out', out]);
    const none = join(directory, 'no.pem');
    for (const setting of ['admin_ssl_cert', 'cluster_cert']) {
      for (const [key, said] of [
        [join(b, 'cluster.key'), /and \S+ = \S+ can't be used together: /],
        [none, / can't be read: /],
      ] as const) {
        const more = {
          [`VAULTPLANE_${setting.toUpperCase()}`]: join(a, 'cluster.crt'),
          [`VAULTPLANE_${setting.toUpperCase()}_KEY`]: key,
        };
        const started = await run(['start'], more);
        const checked = await run(['check'], more);
        assert.deepEqual([started.status, checked.status], [1, 1]);
        for (const text of [started.err.split('\n').at(-2)!, checked.out]) {
          assert.match(text, said);
          assert.ok(text.includes(`${setting}_key = ${key}`), text);
        }
      }
    }
  });

  it('serves the Admin API over TLS, to its own commands too', async () => {
    const certs = join(directory, 'tls');
    await run(['certs', 'create', '--out', certs, '--node', 'localhost']);
    const more = {
      VAULTPLANE_ADMIN_SSL_CERT: join(certs, 'localhost.crt'),
      VAULTPLANE_ADMIN_SSL_CERT_KEY: join(certs, 'localhost.key'),
      NODE_EXTRA_CA_CERTS: join(certs, 'ca.crt'),
    };
    const started = launch(['start'], { ...more, VAULTPLANE_ADMIN_LISTEN: 'localhost:0' });
    const { admin } = await ready(started);
    assert.match(admin, /^https:\/\/localhost:\d+$/);
    const made = await run(['token', 'create', '--role', 'reader', '--json'], {
      ...more,
      VAULTPLANE_ADMIN_LISTEN: new URL(admin).host,
    });
    assert.deepEqual([made.status, made.err], [0, '']);
    assert.equal(JSON.parse(made.out).role, 'reader');
    await end(started.child, 'SIGTERM');
  });

  it('stops in order while it still waits for its database', async () => {
    const { port } = holder.address() as { port: number };
    // Somebody listens there who is no Postgres, and hangs up.
    const started = launch(['start'], { VAULTPLANE_DATABASE: 'postgres', VAULTPLANE_PG_PORT: String(port) });
    while (!/"msg":"waiting for the database"/.test(started.output.err)) await once(started.child.stderr, 'data');
    assert.deepEqual(await end(started.child, 'SIGTERM'), [0, null]);
    assert.doesNotMatch(started.output.err, /^vaultplane-cp: /m);
  });

  it('has --help for every command, and exit status 2 for wrong usage', async () => {
    const commands = [
      'start',
      'migrate',
      'check',
      'certs create',
      'token create',
      'config dump',
      'config diff',
      'config apply',
    ];
    const answers = await Promise.all(commands.map((command) => run([...command.split(' '), '--help'])));
    for (const { status, out } of answers) {
      assert.equal(status, 0);
      assert.match(out, /^Usage: vaultplane-cp /);
    }
    for (const args of [
      ['nothing'],
      ['start', '--loud'],
      ['token', 'create'],
      ['token', 'create', '--role', 'king'],
      ['certs', 'create'],
    ]) {
      const { status, out } = await run(args);
      assert.deepEqual([status, out], [2, ''], args.join(' '));
    }
  });

  it('names the key of a bad setting in one line', async () => {
    const conf = join(directory, 'bad.conf');
    writeFileSync(conf, 'admin_lisen = 127.0.0.1:1\n');
    const { status, err } = await run(['check', '--conf', conf]);
    assert.equal(status, 1);
    assert.match(err, /^vaultplane-cp: .*bad\.conf:1: unknown key admin_lisen; did you mean admin_listen\?\n$/);
  });

  it('says in one line that its data_dir can not be used', async () => {
    const file = join(directory, 'a-file');
    writeFileSync(file, '');
    const { status, err } = await run(['start'], { VAULTPLANE_DATA_DIR: join(file, 'data') });
    assert.equal(status, 1);
    assert.match(err, /^vaultplane-cp: data_dir = .*a-file\/data can't be made: [^\n]+\n$/);
  });
});
