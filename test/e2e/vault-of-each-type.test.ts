import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { noOpenBao, OpenBao } from '@vaultplane/backends/testing/open-bao.ts';
import { startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import type { GrantForm } from '@vaultplane/model/upstream-policy/grant.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { parse } from 'yaml';
import { checkCommand } from './check-command.ts';
import { Deployment } from './deployment.ts';

interface Document {
  vaults: Array<{ name: string; prefix: string; config: Record<string, unknown> }>;
}

/** The file that the README has its reader apply. */
function readmeDocument(): Document {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, text] = /cat > vaults\.yaml <<'END'\n([\s\S]*?)\nEND\n/.exec(readme) ?? [];
  assert.ok(text !== undefined, 'the README has no vaults.yaml');
  return parse(text) as Document;
}

/** The grants that the README has its reader write. */
function readmeGrants(): GrantForm[] {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, text] = /upstream-policy\.json <<'END'\n([\s\S]*?)\nEND\n/.exec(readme) ?? [];
  assert.ok(text !== undefined, 'the README has no upstream-policy.json');
  return (JSON.parse(text) as { grants: GrantForm[] }).grants;
}

it('one data plane has a vault of each type, as the README shows it: each is asked with its own credentials', {
  skip: noOpenBao() ?? false,
}, async (t) => {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const aws = await startEmulator();
  t.after(() => aws.stop());
  const gcp = await startGcpEmulator();
  t.after(() => gcp.stop());
  const bao = await OpenBao.start();
  t.after(() => bao.stop());
  const values = { aws: 'canary-of-aws', gcp: 'canary-of-google', hcv: 'canary-of-bao', env: 'canary-of-the-env' };
  aws.putSecret('us-east-1', 'app', { password: values.aws });
  gcp.putSecret('app', { password: values.gcp });
  await bao.api('POST', 'secret/data/app', { data: { password: values.hcv } });

  const document = readmeDocument();
  assert.deepEqual(document.vaults.map(({ name }) => name).sort(), [...VAULT_TYPES.keys()].sort());
  // The README's addresses are its reader's; all else is taken as it stands.
  const configOf = (type: string) => document.vaults.find(({ name }) => name === type)!.config;
  Object.assign(configOf('hcv'), bao.config);
  delete configOf('gcp').project_id;
  Object.assign(configOf('gcp'), { endpoint_url: gcp.url });
  const grants = readmeGrants();
  assert.deepEqual(
    grants.map(({ type, destination }) => [type, destination]),
    [['hcv', 'https://vault.internal:8200']],
  );
  grants[0]!.destination = `http://${bao.address}`;
  // Google's own address needs none; the emulator's does.
  grants.push({ type: 'gcp', destination: gcp.url, identity: true });
  const controlPlane = await deployment.planControlPlane('cp');
  await controlPlane.start();
  const applied = await fetch(`${controlPlane.adminUrl}/config`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(document),
  });
  assert.ok(applied.ok, await applied.text());

  const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
    ...aws.environment,
    GCE_METADATA_HOST: gcp.metadataHost,
    ...deployment.policy(grants),
    HCV_TOKEN: bao.rootToken,
    APP_APP: JSON.stringify({ password: values.env }),
    VAULTPLANE_UPSTREAM_CONNECT_TIMEOUT: '20',
    VAULTPLANE_UPSTREAM_TIMEOUT: '60',
  });
  await dataPlane.start();
  await dataPlane.savedWhatIsOf(controlPlane);
  const prefixOf = Object.fromEntries(document.vaults.map(({ name, prefix }) => [name, prefix]));
  const answers = await fetch(`${dataPlane.apiUrl}/v1/resolve`, {
    method: 'POST',
    headers: { authorization: `Bearer ${dataPlane.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      references: Object.keys(values).map((type) => `{vault://${prefixOf[type]}/app/password}`),
    }),
  });
  const { results } = (await answers.json()) as { results: Array<{ value?: string; error?: unknown }> };
  assert.deepEqual(
    results.map(({ value, error }) => value ?? error),
    Object.values(values),
  );

  const status = (await dataPlane.status()) as unknown as { upstreams: Record<string, { calls: number }> };
  assert.deepEqual(Object.keys(status.upstreams).sort(), ['aws', 'gcp', 'hcv']);
  const { ok, says, all } = await checkCommand(dataPlane.env);
  assert.ok(ok, all);
  for (const prefix of Object.values(prefixOf)) assert.match(says[`vault ${prefix}`] ?? '', /answers/, prefix);
  assert.deepEqual(deployment.filesWith([...Object.values(values), bao.rootToken]), []);
});
