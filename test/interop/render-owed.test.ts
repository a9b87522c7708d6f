import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '@vaultplane/testkit/until.ts';
import { Scene } from './scene.ts';

describe('what vaultplane-dp render owes', () => {
  let scene: Scene;
  let number = 0;
  before(async () => {
    scene = await Scene.start();
  });
  after(() => scene?.stop());

  /** A secret of its own, a template of it, and a folder for what is made. */
  const job = () => {
    const name = `owed-${++number}`;
    const reference = `{vault://aws-sm-vault/${name}/value}`;
    scene.emulator.putSecret('us-east-1', name, { value: 'canary-owed-1' });
    const folder = join(scene.deployment.folder, name);
    mkdirSync(folder);
    return {
      folder,
      template: scene.file(`${name}.tmpl`, `{{ secret "${reference}" }}`),
      other: scene.file(`${name}-other.tmpl`, `other {{ secret "${reference}" }}`),
      output: join(folder, name),
      otherOutput: join(folder, `${name}-other`),
      rotate: (n: number) => scene.rotate(name, { value: `canary-owed-${n}` }, reference),
    };
  };
  const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  const isAlive = (pid: string) => spawnSync('kill', ['-0', pid.trim()]).status === 0;

  it('a command that failed is run by the next run, also where nothing has changed', async () => {
    const { folder, template, output } = job();
    const fails = ['render', template, '-o', output, '--exec', 'echo ran; test -f allowed'];
    const first = await scene.command(fails).ended;
    assert.deepEqual([first.status, first.stdout], [1, 'ran\n']);
    assert.equal(first.stderr, 'vaultplane-dp: the command of --exec ended with status 1\n');
    assert.equal(readFileSync(output, 'utf8'), 'canary-owed-1');
    for (const name of readdirSync(folder)) {
      if (name.startsWith('.')) assert.doesNotMatch(readFileSync(join(folder, name), 'utf8'), /canary/);
    }
    assert.deepEqual([(await scene.command(fails).ended).stdout], ['ran\n']);
    const works = ['render', template, '-o', output, '--exec', 'echo works'];
    assert.deepEqual([(await scene.command(works).ended).stdout], ['works\n']);
    assert.deepEqual([(await scene.command(works).ended).stdout], ['']);
    assert.deepEqual(readdirSync(folder).length, 1);
  });

  it('a command that was under way when render was killed is run by the next run', async () => {
    const { template, output } = job();
    const killed = await scene.command(['render', template, '-o', output, '--exec', 'kill -9 $PPID']).ended;
    assert.equal(killed.signal, 'SIGKILL');
    const next = await scene.command(['render', template, '-o', output, '--exec', 'echo ran']).ended;
    assert.deepEqual([next.status, next.stdout], [0, 'ran\n']);
  });

  it('one output that can not be written keeps neither the other nor its command', async () => {
    const { folder, template, other, output, otherOutput } = job();
    symlinkSync('missing/file', output);
    const render = ['render', template, other, '-o', folder, '--exec', 'echo ran'];
    const first = await scene.command(render).ended;
    assert.deepEqual([first.status, first.stdout], [1, 'ran\n']);
    assert.match(first.stderr, /^vaultplane-dp: .*owed-3 can't be written: ENOENT[^\n]*\n$/);
    assert.equal(read(otherOutput), 'other canary-owed-1');
    assert.equal((await scene.command(render).ended).stdout, '');
    mkdirSync(join(folder, 'missing'));
    const healed = await scene.command(render).ended;
    assert.deepEqual([healed.status, healed.stdout, read(output)], [0, 'ran\n', 'canary-owed-1']);
  });

  it('with --watch, a failed command and an output that can not be written are tried again until they succeed', async () => {
    const { folder, template, other, output, otherOutput } = job();
    symlinkSync('missing/file', output);
    const count = join(folder, 'count');
    // Fails twice.
    const command = `echo x >> ${count}; test $(wc -l < ${count}) -ge 3 && echo works`;
    const run = scene.command(['render', template, other, '-o', folder, '--watch', '--exec', command]);
    await run.writes('works\n');
    assert.equal(read(otherOutput), 'other canary-owed-1');
    assert.match(run.stderr, /the command of --exec ended with status 1; trying again in 1 s\n/);
    assert.match(run.stderr, /owed-4 can't be written: ENOENT[^\n]*; trying again in \d+ s\n/);
    mkdirSync(join(folder, 'missing'));
    await run.writes('works\nworks\n');
    assert.equal(read(output), 'canary-owed-1');
    run.kill('SIGTERM');
    assert.equal((await run.ended).status, 0);
    assert.doesNotMatch(run.stderr, /canary/);
  });

  it('with --watch, a template that could not be read at a SIGHUP is read once it can be', async () => {
    const { folder, output } = job();
    const template = join(folder, 'later.tmpl');
    writeFileSync(template, 'one');
    const run = scene.command(['render', template, '-o', output, '--watch', '--exec', `cat ${output}`]);
    await run.writes('one');
    spawnSync('rm', [template]);
    run.kill('SIGHUP');
    await run.writes("later.tmpl can't be read: ENOENT", 'stderr');
    writeFileSync(template, 'two');
    await run.writes('two');
    run.kill('SIGTERM');
    assert.equal((await run.ended).status, 0);
  });

  it('a command that hangs is ended with all that it has started, and owed', async () => {
    const { folder, template, output } = job();
    const pids = join(folder, 'pids');
    // Both ignore SIGTERM, and the inner one is no child of sh any more once sh has gone.
    const command = `trap '' TERM; sleep 300 & echo $$ $! > ${pids}; wait`;
    const run = await scene.command(['render', template, '-o', output, '--exec', command, '--exec-timeout', '1s'])
      .ended;
    assert.equal(run.status, 1);
    assert.equal(
      run.stderr,
      'vaultplane-dp: the command of --exec did not end within 1 s (--exec-timeout), and was ended\n',
    );
    for (const pid of read(pids).split(' ')) await until('it has ended', () => !isAlive(pid));
    const next = await scene.command(['render', template, '-o', output, '--exec', 'echo ran']).ended;
    assert.equal(next.stdout, 'ran\n');
    const wrong = await scene.command(['render', template, '-o', output, '--exec', 'true', '--exec-timeout', '5'])
      .ended;
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /--exec-timeout 5 must be a time such as 30s, 5m or 1h, or 0 for none/);
  });

  it('with --watch, rotations during a command change the file, and are one more run after it', async () => {
    const { folder, template, output, rotate } = job();
    const gate = join(folder, 'gate');
    spawnSync('mkfifo', [gate]);
    const command = `echo begin; read go < ${gate}; echo end`;
    const run = scene.command(['render', template, '-o', output, '--watch', '--exec', command]);
    await run.writes('begin\n');
    for (const n of [2, 3, 4]) {
      await rotate(n);
      await until('the file is of the rotation', () => read(output) === `canary-owed-${n}`);
    }
    assert.equal(run.stdout, 'begin\n');
    const open = () => spawnSync('sh', ['-c', `echo go > ${gate}`], { timeout: 30_000 });
    open();
    await run.writes('begin\nend\nbegin\n');
    open();
    await run.writes('begin\nend\nbegin\nend\n');
    await rotate(5);
    await run.writes('begin\nend\nbegin\nend\nbegin\n');
    run.kill('SIGTERM');
    assert.equal((await run.ended).status, 0);
    assert.equal(run.stdout, 'begin\nend\nbegin\nend\nbegin\n');
  });

  it('SIGTERM ends a command that hangs, with and without --watch, and it is owed to the next run', async () => {
    for (const watch of [['--watch'], []]) {
      const { folder, template, output } = job();
      const pids = join(folder, 'pids');
      const command = `sleep 300 & echo $$ $! > ${pids}; echo begun; wait`;
      const run = scene.command(['render', template, '-o', output, '--exec', command, ...watch]);
      await run.writes('begun\n');
      run.kill('SIGTERM');
      assert.equal((await run.ended).status, watch.length > 0 ? 0 : 143);
      for (const pid of read(pids).split(' ')) assert.ok(!isAlive(pid));
      const next = scene.command(['render', template, '-o', output, '--exec', 'echo ran', ...watch]);
      await next.writes('ran\n');
      next.kill('SIGTERM');
      await next.ended;
    }
  });
});
