import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { type ControlPlane, type DataPlane, Deployment } from '../e2e/deployment.ts';
import { parseExposition, type Sample } from './exposition.ts';

const file = (path: string) => fileURLToPath(new URL(`../../deploy/${path}`, import.meta.url));
const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' });
const withoutPromtool = promtool('--version').error ? 'promtool is missing (see .ci/run)' : false;
const SECRET = 'canary-secret-name';
const VALUE = 'canary-metric-value-31c7';

describe('metrics', () => {
  const deployment = new Deployment();
  let emulator: Emulator;
  let controlPlane: ControlPlane;
  let dataPlane: DataPlane;
  let talkative: DataPlane;
  const scrape = async ({ statusUrl }: { statusUrl: string }) => (await fetch(`${statusUrl}/metrics`)).text();
  const samples = async (of: { statusUrl: string }) => parseExposition(await scrape(of)).samples;
  const read = (all: Sample[], name: string, labels: Record<string, string> = {}) =>
    all.find(
      (sample) => sample.name === name && Object.entries(labels).every(([key, text]) => sample.labels[key] === text),
    )?.value;

  before(async () => {
    emulator = await startEmulator();
    emulator.putSecret('us-east-1', SECRET, { foo: VALUE });
    controlPlane = await deployment.planControlPlane('cp');
    await controlPlane.start();
    const { accessKeyId, secretAccessKey } = emulator.credentials;
    const aws = {
      AWS_ENDPOINT_URL: emulator.url,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    };
    dataPlane = await deployment.planDataPlane('dp', controlPlane, aws);
    talkative = await deployment.planDataPlane('dp-names', controlPlane, {
      ...aws,
      VAULTPLANE_METRICS_SECRET_NAMES: 'on',
    });
    await Promise.all([dataPlane.start(), talkative.start()]);
    await controlPlane.putVault('aws-vault', { name: 'aws', 'config.region': 'us-east-1', 'config.ttl': '1' });
    await Promise.all([dataPlane.caughtUpWith(controlPlane), talkative.caughtUpWith(controlPlane)]);
    for (const each of [dataPlane, talkative]) {
      for (let count = 0; count < 3; count++) await each.resolve(`{vault://aws-vault/${SECRET}/foo}`);
      await each.resolve('{vault://aws-vault/canary-missing}');
    }
  });
  after(async () => {
    await deployment.stop();
    await emulator?.stop();
  });

  it('of a data plane count lookups, fetches and calls, and tell what is held', async () => {
    const all = await samples(dataPlane);
    const is = (expected: number, name: string, labels?: Record<string, string>) =>
      assert.equal(read(all, `vaultplane_${name}`, labels), expected, name);
    is(1, 'lookups_total', { outcome: 'waited', state: 'fresh' });
    const immediate = ['fresh', 'stale', 'resurrected'].map(
      (state) => read(all, 'vaultplane_lookups_total', { outcome: 'immediate', state })!,
    );
    assert.equal(immediate[0]! + immediate[1]! + immediate[2]!, 2);
    is(1, 'lookups_total', { outcome: 'error' });
    is(1, 'lookup_errors_total', { code: 'not_found' });
    is(1, 'fetches_total', { reason: 'first', outcome: 'fetched' });
    is(2, 'aws_calls_saved_total', { by: 'memory' });
    is(await controlPlane.version(), 'config_version');
    is(1, 'control_plane_connected');
    is(1, 'config_source', { source: 'control_plane' });
    is(Number.POSITIVE_INFINITY, 'resurrected_first_end_seconds');
    const calls = all.filter(({ name }) => name === 'vaultplane_aws_call_duration_seconds_count');
    assert.equal(
      calls.reduce((sum, { value }) => sum + value, 0),
      read(all, 'vaultplane_aws_calls_total'),
    );
    is(read(all, 'vaultplane_aws_calls_total')!, 'vault_calls_total', { type: 'aws' });
    assert.ok(read(all, 'vaultplane_cluster_certificate_expiry_timestamp_seconds')! > Date.now() / 1000);
    const age = read(all, 'vaultplane_oldest_value_age_seconds')!;
    assert.ok(age >= 0 && age < 600, `${age}`);
  });

  it('of a data plane tell of resurrected values, and how long they last', async () => {
    const order = emulator.order({
      match: {},
      behaviour: { kind: 'error', status: 500, code: 'InternalServiceError' },
    });
    try {
      const end = performance.now() + 30_000;
      let all = await samples(dataPlane);
      while (read(all, 'vaultplane_references', { state: 'resurrected' }) !== 1) {
        assert.ok(performance.now() < end, 'no value is resurrected within 30 s');
        await new Promise((resolve) => setTimeout(resolve, 50));
        all = await samples(dataPlane);
      }
      const left = read(all, 'vaultplane_resurrected_first_end_seconds')!;
      assert.ok(left > 99_990_000 && left <= 100_000_001, `${left}`);
      assert.ok(read(all, 'vaultplane_fetches_total', { reason: 'refresh', outcome: 'unavailable' })! >= 1);
    } finally {
      order.remove();
    }
  });

  it('of a control plane tell of the fleet, the lag of changes and the database', async () => {
    const all = await samples(controlPlane);
    assert.equal(read(all, 'vaultplane_data_planes_connected'), 2);
    assert.equal(read(all, 'vaultplane_data_planes', { sync_status: 'normal' }), 2);
    assert.equal(read(all, 'vaultplane_data_planes_behind'), 0);
    assert.ok(read(all, 'vaultplane_config_acknowledgement_seconds_count')! >= 2);
    assert.ok(
      read(all, 'vaultplane_database_operation_duration_seconds_count', {
        operation: 'transaction',
        outcome: 'ok',
      })! >= 1,
    );
    assert.ok(read(all, 'vaultplane_data_plane_certificate_first_expiry_timestamp_seconds')! > Date.now() / 1000);
    assert.ok(read(all, 'vaultplane_nodejs_eventloop_lag_p99_seconds')! >= 0);
  });

  it('hold no name of a secret, unless metrics_secret_names asks for it, and never a value', async () => {
    for (const text of [await scrape(dataPlane), await scrape(controlPlane)]) assert.ok(!text.includes('canary'), text);
    const text = await scrape(talkative);
    assert.match(
      text,
      new RegExp(
        `vaultplane_secret_age_seconds\\{vault="aws-vault",secret="\\{vault://aws-vault/${SECRET}\\}",state="\\w+"\\} [\\d.]+`,
      ),
    );
    assert.ok(!text.includes(VALUE));
  });

  it('are named by convention, with help', async () => {
    for (const program of [dataPlane, controlPlane]) {
      const { families } = parseExposition(await scrape(program));
      for (const { name, help, type } of families) {
        assert.match(name, /^vaultplane_[a-z][a-z0-9_]*$/);
        assert.ok(help.length > 10, `${name} has no help`);
        // Those of the runtime are prom-client's own.
        if (!/^vaultplane_(nodejs|process)_/.test(name))
          assert.equal(name.endsWith('_total'), type === 'counter', name);
        assert.doesNotMatch(name, /_(ms|milliseconds|minutes|kb|mb)(_|$)/);
      }
    }
  });

  it('are what promtool takes', { skip: withoutPromtool }, async () => {
    for (const program of [dataPlane, controlPlane]) {
      const text = (await scrape(program))
        .split('\n')
        .filter((line) => !/vaultplane_(nodejs|process)_/.test(line))
        .join('\n');
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
      assert.equal(status, 0, stdout + stderr);
    }
  });

  it('are all that the dashboard and the alerts speak of', async () => {
    const known = new Set((await Promise.all([dataPlane, controlPlane].map(samples))).flat().map(({ name }) => name));
    for (const path of ['grafana/vaultplane.json', 'prometheus/alerts.yaml']) {
      const names = new Set(readFileSync(file(path), 'utf8').match(/\bvaultplane_[a-z0-9_]+\b/g));
      assert.ok(names.size > 5);
      const unknown = [...names].filter((name) => !known.has(name));
      assert.deepEqual(unknown, [], path);
    }
  });

  it('raise the alerts that they should, and no others', { skip: withoutPromtool }, () => {
    for (const args of [
      ['check', 'rules', file('prometheus/alerts.yaml')],
      ['test', 'rules', file('prometheus/alerts.test.yaml')],
    ]) {
      const { status, stdout, stderr } = promtool(...args);
      assert.equal(status, 0, stdout + stderr);
    }
  });
});
