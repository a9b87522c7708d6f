import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FilePlace } from '@vaultplane/backends/blob-store/file.ts';
import { ensureSharedCertificate } from '@vaultplane/control-plane/fleet/certificates.ts';
import { parsePlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import {
  CONTROL_PLANE_MAIN,
  type ControlPlane,
  cleanEnv,
  DATA_PLANE_MAIN,
  type DataPlane,
  Deployment,
  THIS_HOST,
} from '../e2e/deployment.ts';

/** `nobody`, of Linux. */
const STRANGER = 65_534;

describe('files that another user of the machine prepares', {
  skip: process.getuid?.() !== 0 && 'needs root, to be two users',
}, () => {
  let deployment: Deployment;
  let controlPlane: ControlPlane;
  let dataPlane: DataPlane;
  /** As /tmp: everybody may write here, and remove what is theirs. */
  let shared: string;
  /** Root's file, which the stranger would have overwritten. */
  let victim: string;

  before(async () => {
    deployment = new Deployment();
    chmodSync(deployment.folder, 0o711);
    shared = mkdtempSync(join(tmpdir(), 'vaultplane-shared-'));
    chmodSync(shared, 0o1777);
    victim = join(deployment.folder, 'victim');
    controlPlane = await deployment.planControlPlane('cp');
    const certificates = join(deployment.folder, 'certificates');
    mkdirSync(certificates);
    const { certificateFile, keyFile } = await ensureSharedCertificate(certificates);
    for (const path of [certificateFile, keyFile]) chmodSync(path, 0o644);
    dataPlane = await deployment.planDataPlane('dp', controlPlane, {
      VAULTPLANE_CLUSTER_CERT: certificateFile,
      VAULTPLANE_CLUSTER_CERT_KEY: keyFile,
    });
  });
  after(async () => {
    await deployment.stop();
    rmSync(shared, { recursive: true, force: true });
  });

  const setVictim = () => writeFileSync(victim, 'as it was', { mode: 0o600 });
  const assertUnharmed = () => {
    assert.equal(readFileSync(victim, 'utf8'), 'as it was');
    assert.deepEqual([statSync(victim).uid, statSync(victim).mode & 0o777], [0, 0o600]);
  };
  const plant = (path: string, target: string) => {
    symlinkSync(target, path);
    lchownSync(path, STRANGER, STRANGER);
  };
  const newFolder = (name: string, mode: number, owner = 0, group = owner) => {
    const path = join(deployment.folder, name);
    mkdirSync(path);
    chownSync(path, owner, group);
    chmodSync(path, mode);
    return path;
  };
  /** A command, or a start that is refused. */
  const run = (main: string, args: string[], env: NodeJS.ProcessEnv) => {
    const command = ['--disable-sigusr1', main, ...args];
    const { status, stderr } = spawnSync(process.execPath, command, { env, encoding: 'utf8', timeout: 60_000 });
    return { status, stderr };
  };
  const startAs = (name: string, user: number, dataDir: string) =>
    deployment.start(
      name,
      DATA_PLANE_MAIN,
      { ...dataPlane.env, VAULTPLANE_DATA_DIR: dataDir },
      `${dataPlane.statusUrl}/status/live`,
      { ...THIS_HOST, through: ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'] },
    );
  const placeAt = (path: string) => {
    const url = parsePlaceUrl(`file://${path}`);
    assert.ok(url?.scheme === 'file');
    return new FilePlace(url);
  };
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

  it('has no link of theirs followed by `render -o`, at the file or on the way to it', () => {
    const template = join(deployment.folder, 'template');
    writeFileSync(template, 'SECRET={{ env "WORD" }}\n');
    plant(join(shared, 'out.env'), victim);
    plant(join(shared, 'folder'), deployment.folder);
    for (const output of [join(shared, 'out.env'), join(shared, 'folder', 'victim')]) {
      setVictim();
      const env = { ...dataPlane.env, WORD: 'canary-5d2e' };
      const { status, stderr } = run(DATA_PLANE_MAIN, ['render', template, '-o', output], env);
      assert.equal(status, 1, stderr);
      assert.match(stderr, /leads over a link of another user \(.*, user 65534\), which is not followed/);
      assertUnharmed();
    }
  });

  it('has no secret left in a file of theirs, or with a mode of theirs, by `render -o`', () => {
    const template = join(deployment.folder, 'kept-template');
    writeFileSync(template, '{{ env "WORD" }}');
    const theirs = (path: string) => {
      writeFileSync(path, 'planted');
      chownSync(path, STRANGER, STRANGER);
      chmodSync(path, 0o666);
      return path;
    };
    const folder = join(shared, 'theirs');
    mkdirSync(folder);
    chownSync(folder, STRANGER, STRANGER);
    // A file of root, to which they have made a link.
    const linked = join(shared, 'linked');
    writeFileSync(join(deployment.folder, 'of-root'), 'of root', { mode: 0o644 });
    const paths = [theirs(join(shared, 'planted')), theirs(join(folder, 'planted'))];
    if (spawnSync('ln', [join(deployment.folder, 'of-root'), linked]).status === 0) paths.push(linked);
    for (const path of paths) {
      const env = { ...dataPlane.env, WORD: 'canary-77aa' };
      const { status, stderr } = run(DATA_PLANE_MAIN, ['render', template, '-o', path], env);
      assert.equal(status, 0, stderr);
      assert.deepEqual([statSync(path).uid, modeOf(path), readFileSync(path, 'utf8')], [0, '600', 'canary-77aa']);
    }
    // One that root has given them in their own folder is theirs.
    const home = newFolder('home', 0o755, STRANGER);
    const given = theirs(join(home, 'app.env'));
    assert.equal(run(DATA_PLANE_MAIN, ['render', template, '-o', given], { ...dataPlane.env, WORD: 'new' }).status, 0);
    assert.deepEqual([statSync(given).uid, readFileSync(given, 'utf8')], [STRANGER, 'new']);
  });

  it('has no link followed beside a file that is written in a shared folder', async () => {
    setVictim();
    const path = join(shared, 'config.export');
    // What the names beside it have been.
    for (const beside of ['new', `${process.pid}.new`, `${process.pid}`]) plant(`${path}.${beside}`, victim);
    const place = placeAt(path);
    await place.write(Buffer.from('exported'));
    assert.equal(readFileSync(path, 'utf8'), 'exported');
    assertUnharmed();
    const below = placeAt(join(shared, 'export', 'victim'));
    plant(join(shared, 'export'), deployment.folder);
    await assert.rejects(below.write(Buffer.from('exported')), /link of another user/);
    assertUnharmed();
  });

  it('does not overwrite others by links in a data_dir that was open, which is closed, as its keys are', async () => {
    setVictim();
    const dataDir = newFolder('open', 0o777);
    for (const name of ['node-id', 'api-token', 'references', 'config.snapshot', 'secrets.cache']) {
      plant(join(dataDir, `${name}.new`), victim);
    }
    plant(join(dataDir, 'node-id'), victim);
    writeFileSync(join(dataDir, 'identity-next.key'), 'a key');
    chmodSync(join(dataDir, 'identity-next.key'), 0o644);
    const program = await startAs('open', 0, dataDir);
    await program.stop();
    assertUnharmed();
    assert.equal(modeOf(dataDir), '750');
    assert.equal(modeOf(join(dataDir, 'identity-next.key')), '600');
    assert.match(program.output, /data_dir was open to other users; it is no longer/);
    assert.match(program.output, /a key in data_dir was open to other users; it is no longer/);
  });

  it('makes both programs refuse a data_dir of theirs, or a key in it, and say what to do', () => {
    const foreign = newFolder('foreign', 0o700, STRANGER);
    const linked = join(shared, 'data');
    plant(linked, newFolder('linked', 0o700));
    const withKey = newFolder('with-key', 0o700);
    writeFileSync(join(withKey, 'cluster.key'), 'a key of theirs', { mode: 0o600 });
    chownSync(join(withKey, 'cluster.key'), STRANGER, STRANGER);
    for (const [main, env] of [
      [DATA_PLANE_MAIN, dataPlane.env],
      [CONTROL_PLANE_MAIN, controlPlane.env],
    ] as const) {
      for (const [dataDir, says] of [
        [foreign, /data_dir = .*foreign belongs to user 65534, who could .*`chown -R 0` it/],
        [linked, /data_dir = .*data leads over a link of another user/],
        [withKey, /cluster\.key belongs to user 65534, who could put another key there; remove it, or `chown 0` it/],
      ] as const) {
        const { status, stderr } = run(main, ['start'], { ...env, VAULTPLANE_DATA_DIR: dataDir });
        assert.equal(status, 1, stderr);
        assert.match(stderr, says);
      }
    }
  });

  it("may be root's volume with the group of a pod, but not one that everybody may write in", async () => {
    const volume = newFolder('volume', 0o2775, 0, STRANGER);
    const program = await startAs('volume', STRANGER, volume);
    await program.stop();
    assert.equal(modeOf(join(volume, 'api-token')), '600');
    const open = newFolder('everybody', 0o2777, 0, STRANGER);
    await assert.rejects(
      startAs('everybody', STRANGER, open),
      /belongs to root, and users other than this one may write in it \(mode 02777\); set data_dir to a folder below it/,
    );
    const below = await startAs('below', STRANGER, join(open, 'dp'));
    await below.stop();
    assert.equal(modeOf(join(open, 'dp')), '700');
  });

  it('leaves a link of root in its place, and replaces what it leads to', () => {
    const template = join(deployment.folder, 'own-template');
    writeFileSync(template, 'WORD={{ env "WORD" }}\n');
    const target = join(deployment.folder, 'own-target');
    const link = join(deployment.folder, 'own-link');
    symlinkSync(target, link);
    const { status, stderr } = run(DATA_PLANE_MAIN, ['render', template, '-o', link], { ...cleanEnv(), WORD: 'plain' });
    assert.equal(status, 0, stderr);
    assert.equal(readFileSync(target, 'utf8'), 'WORD=plain\n');
  });
});
