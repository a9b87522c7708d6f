import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  type PostgresServer,
  postgresMissing,
  startPostgresServer,
} from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { Scene } from './scene.ts';

const FOO = '{vault://aws-sm-vault/secret-name/foo}';
const SNIP = '{vault://aws-sm-vault/secret-name/snip}';

describe('vaultplane-dp exec', () => {
  let scene: Scene;
  before(async () => {
    scene = await Scene.start();
    scene.emulator.putSecret('us-east-1', 'secret-name', { foo: 'canary-one', snip: 'canary-snip' });
  });
  after(() => scene?.stop());

  it('gives values by --env, by --env-file and in place of references that the environment has', async () => {
    const file = scene.file(
      'app.env',
      `# the database\nexport DB_PASSWORD="${FOO}"\n\nDB_HOST=db.internal\nBOTH='${SNIP}'\nVERSIONED=${FOO.replace('}', '#1}')}\n`,
    );
    const script = 'echo "$A|$B|$DB_PASSWORD|$DB_HOST|$BOTH|$VERSIONED|$PLAIN"';
    const { status, stdout, stderr } = await scene.command(
      ['exec', '--env', `A=${FOO}`, '--env', `BOTH=${FOO}`, '--env-file', file, '--', 'sh', '-c', script],
      { B: SNIP, PLAIN: 'as it is' },
    ).ended;
    assert.equal(stdout, 'canary-one|canary-snip|canary-one|db.internal|canary-one|canary-one|as it is\n');
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });

  it('gives a value that looks like a reference as it is', async () => {
    scene.emulator.putSecret('us-east-1', 'planted', { ref: SNIP });
    const planted = '{vault://aws-sm-vault/planted/ref}';
    const file = scene.file('planted.env', `FILE=${planted}\n`);
    const command = ['exec', '--env', `A=${planted}`, '--env-file', file, '--', 'sh', '-c', 'echo "$A|$B|$FILE"'];
    const { status, stdout } = await scene.command(command, { B: planted }).ended;
    assert.equal(stdout, `${SNIP}|${SNIP}|${SNIP}\n`);
    assert.equal(status, 0);
  });

  it('has values in the environment of the child, and nowhere else', async () => {
    const run = scene.command(['exec', '--env', `SECRET=${FOO}`, '--', 'sh', '-c', 'echo ready; exec sleep 60']);
    await run.writes('ready');
    const read = (pid: string, name: string) => {
      try {
        return readFileSync(`/proc/${pid}/${name}`, 'utf8');
      } catch {
        return ''; // It has ended, or is a process of the kernel's.
      }
    };
    const processes = () =>
      readdirSync('/proc')
        .filter((pid) => /^\d+$/.test(pid))
        .map((pid) => ({
          command: read(pid, 'cmdline').replaceAll('\0', ' ').trim(),
          hasValue: ['environ', 'cmdline'].some((name) => read(pid, name).includes('canary-one')),
        }));
    // The shell has said "ready" before it becomes its last command.
    await until('the child is its last command', () =>
      processes().some(({ command, hasValue }) => hasValue && command === 'sleep 60'),
    );
    const withValue = processes().filter(({ hasValue }) => hasValue);
    run.kill('SIGTERM');
    assert.equal((await run.ended).status, 143);
    assert.deepEqual(
      withValue.map(({ command }) => command),
      ['sleep 60'],
    );
  });

  it('ends as the child did: its status, or 128 and the number of the signal', async () => {
    for (const [script, status] of [
      ['exit 7', 7],
      ['kill -KILL $$', 137],
      ['kill -SEGV $$', 139],
      ['exit 0', 0],
    ] as const) {
      assert.equal((await scene.command(['exec', '--env', `A=${FOO}`, '--', 'sh', '-c', script]).ended).status, status);
    }
  });

  // SIGUSR1 stays blocked under --disable-sigusr1 (test/attacks/debugger.test.ts).
  it('passes every signal on but SIGUSR1', async () => {
    const script = `for s in HUP INT QUIT USR2 WINCH CONT TERM; do trap "echo got $s" $s; done; echo ready; while :; do sleep 0.05; done`;
    const run = scene.command(['exec', '--', 'sh', '-c', script]);
    await run.writes('ready');
    run.kill('SIGUSR1');
    for (const name of ['HUP', 'INT', 'QUIT', 'USR2', 'WINCH', 'CONT', 'TERM']) {
      run.kill(`SIG${name}` as NodeJS.Signals);
      await run.writes(`got ${name}`);
    }
    assert.doesNotMatch(run.stderr, /Debugger/);
  });

  it('says in one line what is wrong, and starts nothing', async () => {
    const marker = join(scene.deployment.folder, 'started');
    const cases: Array<[string[], number, RegExp]> = [
      [['--env', 'A={vault://aws-sm-vault/no-such/x}'], 1, /^vaultplane-dp: A: not_found: /],
      [['--env', 'A={vault://nope/x/y}'], 1, /^vaultplane-dp: A: unknown_vault: /],
      [['--env', 'A={vault://aws-sm-vault}'], 2, /^vaultplane-dp: A: invalid_reference: /],
      [['--env', 'A=canary-typed-by-mistake'], 2, /^vaultplane-dp: --env must have the form NAME=\{vault:/],
      [['--env', '1A={vault://env/x}'], 2, /^vaultplane-dp: --env must have/],
      [['--env-file', '/no/such/file'], 1, /^vaultplane-dp: --env-file \/no\/such\/file can't be read/],
      [
        ['--env-file', scene.file('bad.env', 'A=1\ncanary-no-assignment\n')],
        2,
        /bad\.env, line 2: it must have the form/,
      ],
      [['--signal', 'NOPE', '--env', `A=${FOO}`], 2, /^vaultplane-dp: --signal NOPE is no signal/],
      [['--signal', 'HUP', '--restart-on-rotation'], 2, /exclude each other/],
      [['--restart-on-rotation', '--grace', 'soon'], 2, /^vaultplane-dp: --grace soon must be seconds/],
    ];
    for (const [args, status, message] of cases) {
      const ended = await scene.command(['exec', ...args, '--', 'touch', marker]).ended;
      assert.equal(ended.status, status, ended.stderr);
      assert.match(ended.stderr, message);
      assert.equal(ended.stderr.trimEnd().split('\n').length, 1, ended.stderr);
      assert.doesNotMatch(ended.stderr, /canary/);
    }
    const missing = await scene.command(['exec', '--', 'no-such-program']).ended;
    assert.match(missing.stderr, /^vaultplane-dp: no-such-program can't be started/);
    assert.equal(missing.status, 1);
    assert.equal(existsSync(marker), false);
  });

  it('restarts the child with the new value when one rotates, once for all members of a secret', async () => {
    scene.emulator.putSecret('us-east-1', 'rotating', { user: 'canary-user-1', password: 'canary-pw-1' });
    const user = '{vault://aws-sm-vault/rotating/user}';
    const script = 'trap "echo stopping; exit 0" TERM; echo "start $U $P"; while :; do sleep 0.05; done';
    const run = scene.command([
      ...['exec', '--restart-on-rotation', '--env', `U=${user}`, '--env', 'P={vault://aws-sm-vault/rotating/password}'],
      ...['--', 'sh', '-c', script],
    ]);
    await run.writes('start canary-user-1 canary-pw-1');
    await scene.rotate('rotating', { user: 'canary-user-2', password: 'canary-pw-2' }, user);
    await run.writes('start canary-user-2 canary-pw-2');
    await scene.restartDataPlane();
    await scene.rotate('rotating', { user: 'canary-user-3', password: 'canary-pw-3' }, user);
    await run.writes('start canary-user-3 canary-pw-3');
    run.kill('SIGTERM');
    const { status, stdout, stderr } = await run.ended;
    assert.equal(status, 0);
    assert.deepEqual(
      stdout.match(/start \S+ \S+/g),
      [1, 2, 3].map((n) => `start canary-user-${n} canary-pw-${n}`),
    );
    assert.doesNotMatch(stderr, /canary/);
    assert.match(stderr, /^vaultplane-dp: no data plane answers; rotations are seen once one does$/m);
  });

  it('kills a child that does not stop within the grace period', async () => {
    scene.emulator.putSecret('us-east-1', 'stubborn', { foo: 'canary-s1' });
    const reference = '{vault://aws-sm-vault/stubborn/foo}';
    const script = 'trap "echo no" TERM; echo "start $S"; while :; do sleep 0.05; done';
    const run = scene.command([
      ...['exec', '--restart-on-rotation', '--grace', '3', '--env', `S=${reference}`, '--', 'sh', '-c', script],
    ]);
    await run.writes('start canary-s1');
    await scene.rotate('stubborn', { foo: 'canary-s2' }, reference);
    await run.writes('start canary-s2');
    assert.match(run.stdout, /^no$/m);
  });

  it('signals the child when a value rotates, where that is asked for', async () => {
    scene.emulator.putSecret('us-east-1', 'signalled', { foo: 'canary-h1' });
    const reference = '{vault://aws-sm-vault/signalled/foo}';
    const script = 'trap "echo reload" HUP; echo ready; while :; do sleep 0.05; done';
    const run = scene.command(['exec', '--signal', 'hup', '--env', `S=${reference}`, '--', 'sh', '-c', script]);
    await run.writes('ready');
    await scene.rotate('signalled', { foo: 'canary-h2' }, reference);
    await run.writes('reload');
  });

  it('keeps the child running with what it has when the secret is deleted', async () => {
    scene.emulator.putSecret('us-east-1', 'doomed', { foo: 'canary-d1' });
    const script = 'trap "echo stopping; exit 5" TERM; echo "start $S"; while :; do sleep 0.05; done';
    await scene.controlPlane.putVault('short-lived', {
      name: 'aws',
      'config.region': 'us-east-1',
      'config.ttl': '0.2',
      'config.resurrect_ttl': '0.2',
    });
    await scene.dataPlane.caughtUpWith(scene.controlPlane);
    const run = scene.command([
      ...['exec', '--restart-on-rotation', '--env', 'S={vault://short-lived/doomed/foo}', '--', 'sh', '-c', script],
    ]);
    await run.writes('start canary-d1');
    scene.emulator.deleteSecret('us-east-1', 'doomed');
    await run.writes('not_found', 'stderr');
    assert.match(
      run.stderr,
      /^vaultplane-dp: \{vault:\/\/short-lived\/doomed\/foo\}: not_found: .*; the command keeps the value that it has$/m,
    );
    run.kill('SIGTERM');
    assert.equal((await run.ended).status, 5);
    assert.equal(run.stdout, 'start canary-d1\nstopping\n');
  });

  it('says that a rotated value fits in no variable, and goes on with what it has until the next', async () => {
    scene.emulator.putSecret('us-east-1', 'unfit', { foo: 'canary-u1' });
    const reference = '{vault://aws-sm-vault/unfit/foo}';
    const script = 'trap "echo stopping; exit 0" TERM; echo "start $S"; while :; do sleep 0.05; done';
    const run = scene.command(['exec', '--restart-on-rotation', '--env', `S=${reference}`, '--', 'sh', '-c', script]);
    await run.writes('start canary-u1');
    await scene.rotate('unfit', { foo: 'canary-\0-u2' }, reference);
    await run.writes('which no environment variable can hold', 'stderr');
    await scene.rotate('unfit', { foo: 'canary-u3' }, reference);
    await run.writes('start canary-u3');
    run.kill('SIGTERM');
    await run.ended;
    assert.equal(run.stdout, 'start canary-u1\nstopping\nstart canary-u3\nstopping\n');
    assert.deepEqual(run.stderr.match(/^vaultplane-dp: .*/gm), [
      'vaultplane-dp: S: the value has a NUL, which no environment variable can hold; the command keeps the value that it has',
    ]);
  });

  it('shows no value that fits in no variable', async () => {
    scene.emulator.putSecret('us-east-1', 'nul', { foo: 'canary-\0-n' });
    const nul = scene.file('nul.env', 'PLAIN=canary-\0-p\n');
    const long = scene.file('long.env', `PLAIN=canary-${'x'.repeat(140_000)}\n`);
    for (const [args, message] of [
      [['--env', 'A={vault://aws-sm-vault/nul/foo}'], /^vaultplane-dp: A: the value has a NUL, which no /],
      [['--env-file', nul], /^vaultplane-dp: PLAIN: the value has a NUL, which no /],
      [['--env-file', long], /^vaultplane-dp: PLAIN: the value is too long for an environment variable: 140014 bytes /],
    ] as const) {
      const { status, stderr } = await scene.command(['exec', ...args, '--', 'env']).ended;
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /canary/);
      assert.equal(status, 1);
    }
  });

  it('works by itself with no data plane running, and sees rotations once one runs', async () => {
    scene.emulator.putSecret('us-east-1', 'alone', { foo: 'canary-a1' });
    const reference = '{vault://aws-sm-vault/alone/foo}';
    await scene.process.stop();
    const script = 'trap "exit 0" TERM; echo "start $S"; while :; do sleep 0.05; done';
    const run = scene.command(['exec', '--restart-on-rotation', '--env', `S=${reference}`, '--', 'sh', '-c', script]);
    await run.writes('start canary-a1');
    scene.process = await scene.dataPlane.start();
    await scene.rotate('alone', { foo: 'canary-a2' }, reference);
    await run.writes('start canary-a2');
  });

  it('logs a program in to a real Postgres, by its password', {
    skip: postgresMissing() || withoutPsql(),
  }, async () => {
    let postgres: PostgresServer | undefined;
    try {
      postgres = await startPostgresServer();
      const { socketDirectory, port } = postgres;
      const sql = (text: string) =>
        execFileSync('psql', [
          '-qAt',
          '-h',
          '127.0.0.1',
          '-p',
          String(port),
          '-U',
          'vaultplane',
          'postgres',
          '-c',
          text,
        ]);
      sql(`create role app login password 'canary-db-1'`);
      // From here on only with a password.
      const rules = join(socketDirectory, 'data', 'pg_hba.conf');
      sql(
        `copy (select 'host all app all scram-sha-256'::text union all select 'host all vaultplane all trust') to '${rules}'`,
      );
      sql('select pg_reload_conf()');
      scene.emulator.putSecret('us-east-1', 'db/app', { password: 'canary-db-1' });
      const query = [
        'psql',
        '-qAt',
        '-h',
        '127.0.0.1',
        '-p',
        String(port),
        '-U',
        'app',
        'postgres',
        '-c',
        'select current_user',
      ];
      const refused = spawnSync(query[0]!, [...query.slice(1)], {
        env: { ...process.env, PGPASSWORD: 'wrong' },
        encoding: 'utf8',
      });
      assert.match(refused.stderr, /password authentication failed/);
      const run = await scene.command([
        'exec',
        '--env',
        'PGPASSWORD={vault://aws-sm-vault/db/app/password}',
        '--',
        ...query,
      ]).ended;
      assert.equal(run.stdout, 'app\n', run.stderr);
    } finally {
      await postgres?.stop();
    }
  });

  it('has written no value anywhere', () => {
    assert.deepEqual(scene.deployment.filesWith(['canary-']).sort(), ['bad.env', 'long.env', 'nul.env']);
  });
});

function withoutPsql(): string | false {
  return spawnSync('psql', ['--version']).error ? 'psql is not installed' : false;
}
