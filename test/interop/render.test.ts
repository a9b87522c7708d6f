import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  watch,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '@vaultplane/testkit/free-ports.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { Scene } from './scene.ts';

const FOO = '{vault://aws-sm-vault/secret-name/foo}';
const WHOLE = '{vault://aws-sm-vault/secret-name/}';

describe('vaultplane-dp render', () => {
  let scene: Scene;
  let folder: string;
  before(async () => {
    scene = await Scene.start();
    folder = scene.deployment.folder;
    scene.emulator.putSecret('us-east-1', 'secret-name', { foo: `canary-"one"'s`, snip: 'canary-snip', port: 5432 });
  });
  after(() => scene?.stop());

  it('makes a file of mode 0600 from secrets, as they are, as JSON, quoted for sh, and from members of one', async () => {
    const template = scene.file(
      'app.json.tmpl',
      `{"plain":"{{ env "APP" }}","password":{{ json "${FOO}" }}}\n{{ secret "${FOO}" }} {{ shell (secret "${FOO}") }}\n` +
        `{{#with (fromJson "${WHOLE}")}}{{snip}}:{{port}}{{/with}}\n{{#each (fromJson "${WHOLE}")}}{{@key}} {{/each}}\n` +
        `{{ base64 (secret "{vault://aws-sm-vault/secret-name/snip}") }}\n`,
    );
    const output = join(folder, 'app.json');
    const { status, stdout, stderr } = await scene.command(['render', template, '-o', output], { APP: 'shop' }).ended;
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
    assert.deepEqual(readFileSync(output, 'utf8').split('\n'), [
      '{"plain":"shop","password":"canary-\\"one\\"\'s"}',
      `canary-"one"'s 'canary-"one"'\\''s'`,
      'canary-snip:5432',
      'foo snip port ',
      Buffer.from('canary-snip').toString('base64'),
      '',
    ]);
    assert.equal(statSync(output).mode & 0o7777, 0o600);
  });

  it('gives a value that looks like a reference as it is, in whatever a template makes of it', async () => {
    scene.emulator.putSecret('us-east-1', 'planted', { ref: FOO });
    const planted = '{vault://aws-sm-vault/planted/ref}';
    const lines = [
      `{{ secret "${planted}" }}`,
      `{{ shell (secret "${planted}") }}`,
      `{{ json (secret "${planted}") }}`,
      `{{ json "${planted}" }}`,
      '{{#with (fromJson "{vault://aws-sm-vault/planted/}")}}{{ shell ref }}{{/with}}',
      '{{ shell (env "REF") }}',
    ];
    const template = scene.file('planted.tmpl', lines.join('\n'));
    const output = join(folder, 'planted');
    const { status, stderr } = await scene.command(['render', template, '-o', output], { REF: FOO }).ended;
    assert.equal(status, 0, stderr);
    const [quoted, asJson] = [`'${FOO}'`, JSON.stringify(FOO)];
    assert.deepEqual(readFileSync(output, 'utf8').split('\n'), [FOO, quoted, asJson, asJson, quoted, quoted]);
    const refused = await scene.command([
      'render',
      scene.file('p.tmpl', `{{ secret (secret "${planted}") }}`),
      '-o',
      output,
    ]).ended;
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /secret needs a reference in quotes/);
  });

  it('makes several files, of the mode and owner that are asked for, and leaves a link in its place', async () => {
    const one = scene.file('one.conf.hbs', `a {{ secret "${FOO}" }}`);
    const two = scene.file('two.conf', `b {{ secret "${FOO}" }}`);
    const out = join(folder, 'several');
    mkdirSync(out);
    symlinkSync(join(folder, 'real-two'), join(out, 'two.conf'));
    scene.file('real-two', 'before');
    const owner = `${process.getuid!()}:${process.getgid!()}`;
    const ended = await scene.command(['render', one, two, '-o', out, '--mode', '0640', '--owner', owner]).ended;
    assert.equal(ended.status, 0, ended.stderr);
    assert.deepEqual(readdirSync(out).sort(), ['one.conf', 'two.conf']);
    assert.equal(readFileSync(join(folder, 'real-two'), 'utf8'), `b canary-"one"'s`);
    assert.equal(statSync(join(out, 'one.conf')).mode & 0o7777, 0o640);
    assert.equal(statSync(join(folder, 'real-two')).mode & 0o7777, 0o640);
  });

  it('gives a file to another user, by name, where it may', {
    skip: process.getuid!() !== 0 && 'only root may',
  }, async () => {
    const output = join(folder, 'owned');
    const template = scene.file('owned.tmpl', `{{ secret "${FOO}" }}`);
    assert.equal((await scene.command(['render', template, '-o', output, '--owner', 'nobody:daemon']).ended).status, 0);
    const { uid, gid, mode } = statSync(output);
    const number = (option: string, name: string) =>
      Number(spawnSync('id', [option, name], { encoding: 'utf8' }).stdout);
    assert.deepEqual([uid, gid, mode & 0o777], [number('-u', 'nobody'), number('-g', 'daemon'), 0o600]);
  });

  it('makes files of the bytes of a binary secret, by --binary and by decode', async () => {
    const bytes = Buffer.from([0xfe, 0xed, 0, 255, 10, 13]);
    scene.emulator.putSecret('us-east-1', 'keystore', bytes);
    scene.emulator.putSecret('us-east-1', 'encoded', { keystore: bytes.toString('base64') });
    const whole = '{vault://aws-sm-vault/keystore/}';
    const output = join(folder, 'keystore.jks');
    const cases: Array<[template: string, options: string[], made: Buffer]> = [
      [`{{ secret "${whole}" }}`, ['--binary'], bytes],
      [`{{ decode "${whole}" }}`, [], bytes],
      ['{{ decode "{vault://aws-sm-vault/encoded/keystore}" }}', [], bytes],
      [`{{ secret "${whole}" }}`, [], Buffer.from(bytes.toString('base64'))],
      [`{{ base64 "${whole}" }}`, ['--binary'], Buffer.from(bytes.toString('base64'))],
    ];
    for (const [text, options, made] of cases) {
      const args = ['render', scene.file('keystore.tmpl', text), '-o', output, ...options, '--exec', 'echo changed'];
      assert.equal((await scene.command(args).ended).status, 0);
      assert.deepEqual(readFileSync(output), made, text);
      assert.equal((await scene.command(args).ended).stdout, '', 'the same is no change');
    }
    scene.emulator.putSecret('us-east-1', 'marked', '\ufeff{"a":"canary-b"}');
    const template = scene.file('m.tmpl', '{{#with (fromJson "{vault://aws-sm-vault/marked/}")}}{{ a }}{{/with}}');
    assert.equal((await scene.command(['render', template, '-o', output]).ended).status, 0);
    assert.equal(readFileSync(output, 'utf8'), 'canary-b');
  });

  it('follows a link to what is not there yet, and leaves the link', async () => {
    const run = join(folder, 'run');
    mkdirSync(run);
    mkdirSync(join(folder, 'etc'));
    const link = join(folder, 'etc', 'app.conf');
    symlinkSync(join(run, 'app.conf'), link);
    const template = scene.file('app.conf.tmpl', `{{ secret "${FOO}" }}`);
    for (const output of [link, join(folder, 'etc')]) {
      rmSync(join(run, 'app.conf'), { force: true });
      assert.equal((await scene.command(['render', template, '-o', output]).ended).status, 0);
      assert.ok(lstatSync(link).isSymbolicLink());
      assert.equal(readFileSync(join(run, 'app.conf'), 'utf8'), `canary-"one"'s`);
    }
    // As after a boot, where what makes the folder has not run.
    rmSync(run, { recursive: true });
    const failed = await scene.command(['render', template, '-o', link]).ended;
    assert.equal(failed.status, 1);
    assert.ok(lstatSync(link).isSymbolicLink());
  });

  it('keeps the mode and the owner of a file that is there, unless told otherwise', async () => {
    const template = scene.file('keeping.tmpl', `{{ secret "${FOO}" }}`);
    const output = scene.file('kept', 'before');
    const isRoot = process.getuid!() === 0;
    const [uid, gid] = isRoot ? [1234, 2345] : [process.getuid!(), process.getgid!()];
    chownSync(output, uid, gid);
    chmodSync(output, 0o640);
    const of = ({ uid, gid, mode }: Stats) => [uid, gid, (mode & 0o7777).toString(8)];
    assert.equal((await scene.command(['render', template, '-o', output]).ended).status, 0);
    assert.equal(readFileSync(output, 'utf8'), `canary-"one"'s`);
    assert.deepEqual(of(statSync(output)), [uid, gid, '640']);
    assert.equal((await scene.command(['render', template, '-o', output, '--mode', '0600']).ended).status, 0);
    assert.deepEqual(of(statSync(output)), [uid, gid, '600']);
    if (!isRoot) return;
    assert.equal((await scene.command(['render', template, '-o', output, '--owner', '77']).ended).status, 0);
    assert.deepEqual(of(statSync(output)), [77, gid, '600']);
  });

  it('runs a command after a change, and only then', async () => {
    const template = scene.file('change.tmpl', `{{ secret "${FOO}" }}`);
    const render = ['render', template, '-o', join(folder, 'change'), '--exec', 'echo reloaded'];
    assert.equal((await scene.command(render).ended).stdout, 'reloaded\n');
    assert.equal((await scene.command(render).ended).stdout, '');
    const failing = await scene.command(['render', template, '-o', join(folder, 'change2'), '--exec', 'exit 3']).ended;
    assert.equal(failing.status, 1);
    assert.equal(failing.stderr, 'vaultplane-dp: the command of --exec ended with status 3\n');
  });

  it('says in one line what is wrong, with its place and no value, and leaves the file as it was', async () => {
    const output = scene.file('untouched', 'as it was');
    const cases: Array<[template: string, status: number, message: RegExp]> = [
      ['{{ secret "{vault://aws-sm-vault/no-such/x}" }}', 1, /\{vault:\/\/aws-sm-vault\/no-such\/x\}: not_found: /],
      ['{{ secret "{vault://aws-sm-vault}" }}', 2, /invalid_reference/],
      ['{{ secret "plain" }}', 2, /not_a_reference/],
      ['a\n  {{ secrte "x" }}', 1, /bad\.tmpl: line 2, column 3: there is no helper secrte; did you mean secret\?/],
      ['{{#if}', 1, /bad\.tmpl: line 1 is not what a Handlebars template may have/],
      [`{{#with (fromJson "${WHOLE}")}}{{nope}}{{/with}}`, 1, /bad\.tmpl: line 1, column \d+: "nope" is not defined/],
      [`{{#each (fromJson "${WHOLE}")}}{{this.nope}}{{/each}}`, 1, /it can't be applied to what a secret holds/],
      [`{{ fromJson "${FOO}" }}`, 1, /fromJson was given a value that is no JSON/],
      [`{{ log (secret "${FOO}") }}`, 1, /there is no helper log/],
      ['{{ env "NO_SUCH_VARIABLE" }}', 1, /the variable NO_SUCH_VARIABLE is not set/],
    ];
    for (const [text, status, message] of cases) {
      const ended = await scene.command(['render', scene.file('bad.tmpl', text), '-o', output]).ended;
      assert.match(ended.stderr, message);
      assert.equal(ended.stderr.trimEnd().split('\n').length, 1, ended.stderr);
      assert.doesNotMatch(ended.stderr + ended.stdout, /canary/);
      assert.equal(ended.status, status, ended.stderr);
      assert.equal(readFileSync(output, 'utf8'), 'as it was');
    }
    const wrong: Array<[string[], number, RegExp]> = [
      [['/no/such.tmpl', '-o', output], 1, /the template \/no\/such\.tmpl can't be read/],
      [[scene.file('good.tmpl', 'x'), '-o', '/no/such/folder/file'], 1, /\/no\/such\/folder\/file can't be written/],
      [[join(folder, 'good.tmpl'), '-o', output, '--mode', '888'], 2, /--mode 888 must be octal/],
      [[join(folder, 'good.tmpl'), '-o', output, '--owner', 'no-such-user'], 2, /no user of this machine/],
      [[join(folder, 'good.tmpl'), join(folder, 'bad.tmpl'), '-o', output], 2, /must be a folder/],
      [[join(folder, 'good.tmpl')], 2, /-o, --output/],
    ];
    for (const [args, status, message] of wrong) {
      const ended = await scene.command(['render', ...args]).ended;
      assert.match(ended.stderr, message);
      assert.equal(ended.status, status);
    }
  });

  it('follows rotations, restarts of the data plane and new templates, and never shows half a file', async () => {
    const name = 'rotating';
    const reference = (member: string) => `{vault://aws-sm-vault/${name}/${member}}`;
    // Long enough that writing it in place would be seen half done.
    const value = (n: number) => ({ user: `canary-user-${n}`, password: `canary-${n}-`.repeat(2000) });
    scene.emulator.putSecret('us-east-1', name, value(1));
    const template = scene.file(
      'watch.tmpl',
      `{{ secret "${reference('user')}" }} {{ secret "${reference('password')}" }} end`,
    );
    const out = join(folder, 'watched');
    mkdirSync(out);
    const output = join(out, 'file');
    const text = (n: number) => `${value(n).user} ${value(n).password} end`;
    const seen = new Set<string>();
    const watcher = watch(out, () => {
      try {
        seen.add(readFileSync(output, 'utf8'));
      } catch {}
    });
    const run = scene.command(['render', template, '-o', output, '--watch', '--exec', 'echo changed']);
    try {
      await run.writes('changed\n');
      for (const n of [2, 3, 4]) {
        await scene.rotate(name, value(n), reference('user'));
        await run.writes('changed\n'.repeat(n));
        assert.equal(readFileSync(output, 'utf8'), text(n));
      }
      await scene.restartDataPlane();
      await scene.rotate(name, value(5), reference('user'));
      await run.writes('changed\n'.repeat(5));
      assert.equal(readFileSync(output, 'utf8'), text(5));
      scene.file('watch.tmpl', `other {{ secret "${FOO}" }}`);
      run.kill('SIGHUP');
      await run.writes('changed\n'.repeat(6));
      assert.equal(readFileSync(output, 'utf8'), `other canary-"one"'s`);
      await until('the command is no longer noted as owed', () => readdirSync(out).length === 1);
      run.kill('SIGTERM');
      assert.equal((await run.ended).status, 0);
    } finally {
      watcher.close();
    }
    seen.delete(`other canary-"one"'s`);
    assert.deepEqual(
      [...seen].filter((content) => ![1, 2, 3, 4, 5].some((n) => content === text(n))),
      [],
    );
    assert.deepEqual(readdirSync(out), ['file']);
    assert.match(run.stderr, /no data plane answers; the files stay as they are until one does/);
    assert.doesNotMatch(run.stderr, /canary/);
  });

  it('waits, with --watch, for a secret that is not there yet, and works with no data plane running', async () => {
    const template = scene.file('later.tmpl', '{{ secret "{vault://aws-sm-vault/later/foo}" }}');
    const output = join(folder, 'later');
    await scene.process.stop();
    const run = scene.command(['render', template, '-o', output, '--watch', '--exec', 'echo changed']);
    await run.writes('not_found', 'stderr');
    assert.equal(existsSync(output), false);
    scene.emulator.putSecret('us-east-1', 'later', { foo: 'canary-later' });
    scene.process = await scene.dataPlane.start();
    await run.writes('changed\n');
    assert.equal(readFileSync(output, 'utf8'), 'canary-later');
    run.kill('SIGINT');
    assert.equal((await run.ended).status, 0);
  });

  it('has nginx load what it made, at once and after a rotation', { skip: withoutNginx() }, async () => {
    scene.emulator.putSecret('us-east-1', 'nginx', { token: 'canary-nginx-1' });
    const reference = '{vault://aws-sm-vault/nginx/token}';
    const port = await freePort();
    const base = join(folder, 'nginx');
    mkdirSync(base);
    const configuration = join(base, 'nginx.conf');
    const template = scene.file(
      'nginx.conf.tmpl',
      `daemon on; pid ${base}/pid; error_log ${base}/error.log; worker_processes 1; events {}\n` +
        `http { access_log off; client_body_temp_path ${base}/t1; proxy_temp_path ${base}/t2; fastcgi_temp_path ${base}/t3;` +
        ` uwsgi_temp_path ${base}/t4; scgi_temp_path ${base}/t5;\n` +
        `server { listen 127.0.0.1:${port}; location / { if ($http_authorization != "Bearer {{ secret "${reference}" }}") ` +
        `{ return 401; } return 204; } } }\n`,
    );
    const nginx = `nginx -p ${base} -c ${configuration}`;
    const reload = `if [ -f ${base}/pid ]; then ${nginx} -s reload; else ${nginx}; fi 2>/dev/null && echo loaded`;
    const run = scene.command(['render', template, '-o', configuration, '--watch', '--exec', reload]);
    const status = async (token: string) =>
      (await fetch(`http://127.0.0.1:${port}/`, { headers: { authorization: `Bearer ${token}` } })).status;
    try {
      await run.writes('loaded\n');
      assert.equal(await status('canary-nginx-1'), 204);
      assert.equal(await status('wrong'), 401);
      await scene.rotate('nginx', { token: 'canary-nginx-2' }, reference);
      await run.writes('loaded\nloaded\n');
      // nginx's old worker may still take a connection while it goes.
      await until('nginx has the new token', async () => (await status('canary-nginx-2')) === 204);
      await until('nginx has let the old token go', async () => (await status('canary-nginx-1')) === 401);
    } finally {
      run.kill('SIGTERM');
      await run.ended;
      spawnSync('sh', ['-c', `${nginx} -s stop`]);
    }
  });
});

function withoutNginx(): string | false {
  return spawnSync('nginx', ['-v']).error ? 'nginx is not installed' : false;
}
