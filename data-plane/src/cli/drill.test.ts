import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { printAddress } from '@vaultplane/platform/net/network-address.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { type DataPlane, startDataPlane } from '../data-plane.ts';
import type { RehearsalReport } from '../fault-injection/rehearsals.ts';
import { loadDataPlaneSettings } from '../settings.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { TestControlPlane } from '../testing/test-control-plane.ts';
import { snapshotOf } from '../testing/vault-entities.ts';

const MAIN = join(import.meta.dirname, '../main.mjs');
const HELD = '{vault://aws/held/foo}';
const LATE = '{vault://aws/asked-for-late/foo}';

describe('vaultplane-dp drill', { skip: noCertificates }, () => {
  const folder = temporaryFolder();
  let emulator: Emulator;
  let controlPlane: TestControlPlane;
  let dataPlane: DataPlane;
  let env: NodeJS.ProcessEnv;
  const children: ChildProcess[] = [];

  before(async () => {
    emulator = await startEmulator();
    emulator.putSecret('us-east-1', 'held', { foo: 'held-value' });
    emulator.putSecret('us-east-1', 'asked-for-late', { foo: 'late-value' });
    const certificate = makeCertificate(folder, 'cluster');
    controlPlane = await TestControlPlane.start({ certificate, snapshot: snapshotOf(7, ['some']) });
    env = {
      HOME: folder,
      ...emulator.environment,
      VAULTPLANE_DATA_DIR: join(folder, 'dp'),
      VAULTPLANE_CLUSTER_CERT: certificate.certFile,
      VAULTPLANE_CLUSTER_CERT_KEY: certificate.keyFile,
      VAULTPLANE_API_LISTEN: '127.0.0.1:0',
      VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0',
      VAULTPLANE_CLUSTER_CONTROL_PLANE: printAddress(controlPlane.address),
      VAULTPLANE_VAULT_AWS_TTL: '0.2',
      VAULTPLANE_UPSTREAM_CONNECT_TIMEOUT: '20',
      VAULTPLANE_UPSTREAM_TIMEOUT: '60',
    };
    dataPlane = await startDataPlane(await loadDataPlaneSettings({ env }), { log: silentLog, env });
    env.VAULTPLANE_API_LISTEN = new URL(dataPlane.apiUrl).host;
    await holds(() => dataPlane.facts().control_plane.connected);
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await holds(() => dataPlane.facts().drill === null);
  });
  after(async () => {
    await dataPlane?.stop();
    await controlPlane?.stop();
    await emulator?.stop();
  });

  function drill(...args: string[]) {
    const child = spawn(process.execPath, [MAIN, 'drill', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const ended = new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) =>
      child.once('close', (status) => resolve({ status, stdout, stderr })),
    );
    return { child, ended };
  }

  async function lookUp(reference: string) {
    const url = `${dataPlane.apiUrl}/v1/resolve?ref=${encodeURIComponent(reference)}`;
    const token = readFileSync(dataPlane.apiTokenFile, 'utf8').trim();
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    return (await answer.json()) as { value?: string; state?: string; error?: { code: string } };
  }

  const goesOn = () => holds(() => dataPlane.facts().drill !== null);

  it('aws-outage has what is held served, lets through what is not, and tells it in the end', async () => {
    await lookUp(HELD);
    const { ended } = drill('aws-outage', '--for', '8s', '--json');
    await goesOn();
    const metrics = await (await fetch(`${dataPlane.statusUrl}/metrics`)).text();
    assert.match(metrics, /^vaultplane_drill_active\{outage="aws-outage"\} 1$/m);
    await holds(async () => (await lookUp(HELD)).state === 'resurrected');
    assert.equal((await lookUp(LATE)).value, 'late-value');
    const { status, stdout } = await ended;
    const report = JSON.parse(stdout) as RehearsalReport;
    assert.equal(status, 1, 'something would have failed');
    assert.deepEqual([report.outage, report.ended_by], ['aws-outage', 'time']);
    assert.deepEqual(report.would_have_failed.secrets, [{ secret: 'aws/asked-for-late', times: 1 }]);
    assert.deepEqual(report.lookups.failed, {});
    assert.ok(report.lookups.served >= 2);
    assert.ok(!stdout.includes('late-value') && !stdout.includes('held-value'));
    assert.equal(dataPlane.facts().drill, null);
    await holds(async () => (await lookUp(HELD)).state === 'fresh');
  });

  it('aws-outage --strict fails what is not held, as AWS’s absence would', async () => {
    emulator.putSecret('us-east-1', 'new', { foo: 'x' });
    const { child, ended } = drill('aws-outage', '--strict', '--for', '10m');
    await goesOn();
    const calls = emulator.calls({ secret: 'new' }).length;
    assert.equal((await lookUp('{vault://aws/new/foo}')).error?.code, 'unavailable');
    assert.equal(emulator.calls({ secret: 'new' }).length, calls);
    child.kill('SIGINT');
    const { status, stdout } = await ended;
    assert.equal(status, 1);
    assert.match(stdout, /^aws-outage for [\d.]+ s \(ended by: request\)\n/);
    assert.match(stdout, /failed: 1 unavailable/);
    assert.match(stdout, /aws\/new: 1/);
    assert.match(stdout, /would have lacked the values held \(of \d+ secrets\): secrets_persist is off/);
  });

  it('cp-outage keeps the data plane from its control plane until Ctrl-C, and lookups go on', async () => {
    const links = controlPlane.links.length;
    const { child, ended } = drill('cp-outage', '--for', '10m', '--json');
    await goesOn();
    await holds(() => !dataPlane.facts().control_plane.connected);
    await holds(() => dataPlane.facts().control_plane.last_error?.includes('a drill (cp-outage)') ?? false);
    assert.equal((await lookUp(HELD)).value, 'held-value');
    assert.equal(controlPlane.links.length, links, 'no new link is made');
    child.kill('SIGINT');
    const { status, stdout } = await ended;
    assert.equal(status, 0);
    const report = JSON.parse(stdout) as RehearsalReport;
    assert.deepEqual([report.ended_by, report.restart_would_lack], ['request', []]);
    await holds(() => dataPlane.facts().control_plane.connected);
  });

  it('a drill whose command is killed ends at once', async () => {
    const { child, ended } = drill('aws-outage', '--for', '1h');
    await goesOn();
    child.kill('SIGKILL');
    await ended;
    await holds(() => dataPlane.facts().drill === null);
  });

  it('there is one at a time, and none where no data plane runs', async () => {
    drill('cp-outage', '--for', '1h');
    await goesOn();
    const second = await drill('aws-outage', '--for', '1h').ended;
    assert.equal(second.status, 1);
    assert.match(second.stderr, /^vaultplane-dp: too_many: a drill \(cp-outage\) goes on until .*\n$/);
    env = { ...env, VAULTPLANE_API_LISTEN: '127.0.0.1:1' };
    const none = await drill('aws-outage').ended;
    env.VAULTPLANE_API_LISTEN = new URL(dataPlane.apiUrl).host;
    assert.equal(none.status, 1);
    assert.match(none.stderr, /^vaultplane-dp: 127\.0\.0\.1:1: .*\n$/);
  });

  it('a call without the token begins none, nor ends one', async () => {
    for (const method of ['POST', 'DELETE']) {
      const answer = await fetch(`${dataPlane.apiUrl}/v1/drill`, { method });
      assert.equal(answer.status, 403);
    }
    assert.equal(dataPlane.facts().drill, null);
  });

  for (const args of [['dns-outage'], ['aws-outage', '--for', '10'], ['aws-outage', '--for', '25h'], []]) {
    it(`is called wrongly by ${JSON.stringify(args)}`, async () => {
      const { status, stdout } = await drill(...args).ended;
      assert.deepEqual([status, stdout], [2, '']);
    });
  }
});

function holds(isSo: () => boolean | Promise<boolean>): Promise<void> {
  return until('what is waited for', isSo, 60_000);
}
