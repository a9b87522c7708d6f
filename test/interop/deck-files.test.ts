import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CONTROL_PLANE_MAIN, type ControlPlane, Deployment } from '../e2e/deployment.ts';

const TOKEN = 'canary-token-of-a-variable';
const OTHER = 'canary-of-no-deck-variable';
const variable = (name: string) => `\${{ env "${name}" }}`;
/** What people have: a dump of Konnect, in parts by anchors, with decK's variables. */
const FILE = `
_format_version: "2.1"
_konnect:
  control_plane_name: default
_comment: # \${{ env "DECK_IN_A_COMMENT" }}
_ignore:
  - &lifetimes { ttl: 60, neg_ttl: 5, base64_decode: false }
vaults:
  - name: hcv
    prefix: my-hcv
    _comment: theirs
    config:
      <<: *lifetimes
      host: "\${{ env "DECK_HOST" }}"
      port: \${{ env "DECK_PORT" | toInt }}
      kv: v2
      token: \${{ env "DECK_TOKEN" }}
      ttl: 300
`;

describe('a file for decK', () => {
  const deployment = new Deployment();
  let controlPlane: ControlPlane;
  before(async () => {
    const keyring = join(deployment.folder, 'keyring');
    writeFileSync(keyring, randomBytes(32).toString('hex'), { mode: 0o600 });
    controlPlane = await deployment.planControlPlane('cp', {
      DECK_TOKEN: TOKEN,
      DECK_HOST: 'vault.internal',
      DECK_PORT: '8200',
      NOT_DECK: OTHER,
      VAULTPLANE_KEYRING_KEY_FILE: keyring,
    });
    await controlPlane.start();
  });
  after(() => deployment.stop());
  const config = (name: string, text: string, env: NodeJS.ProcessEnv = controlPlane.env) => {
    const file = join(deployment.folder, 'kong.yaml');
    writeFileSync(file, text);
    return new Promise<{ status: number; out: string; err: string }>((resolve) => {
      execFile(process.execPath, [CONTROL_PLANE_MAIN, 'config', name, file], { env }, (error, out, err) =>
        resolve({ status: typeof error?.code === 'number' ? error.code : 0, out, err }),
      );
    });
  };

  it('is applied with its variables and merges; what of it is not used is told', async () => {
    const applied = await config('apply', FILE);
    assert.equal(applied.status, 0, applied.err);
    assert.match(applied.out, /^not used, since it is not about vaults: _konnect$/m);
    assert.ok(!applied.out.includes(TOKEN));
    const vault = await controlPlane.get('/vaults/my-hcv');
    assert.deepEqual(vault.config, {
      ...{
        base64_decode: false,
        host: 'vault.internal',
        kv: 'v2',
        neg_ttl: 5,
        port: 8200,
        token: '********',
        ttl: 300,
      },
    });
    assert.equal((await config('diff', FILE)).status, 0);
  });

  it('has no value of a variable in an error, and no variable that is not decK’s', async () => {
    const errors = [
      FILE.replace('kv: v2', `kv: ${variable('DECK_TOKEN')}`),
      FILE.replace('toInt', 'toBool'),
      FILE.replace('  - name: hcv', `  - name: "${variable('DECK_TOKEN')}"`),
      FILE.replace('DECK_TOKEN', 'NOT_DECK'),
      FILE.replace('DECK_TOKEN', 'DECK_NOT_SET'),
      `${FILE}\n   wrong: ["\${{ env "DECK_TOKEN" }}`,
    ];
    for (const text of errors) {
      for (const [name, status] of [
        ['apply', 1],
        ['diff', 2],
      ] as const) {
        const failed = await config(name, text);
        assert.equal(failed.status, status, failed.out);
        assert.equal(failed.err.trimEnd().split('\n').length, 1, failed.err);
        for (const canary of [TOKEN, OTHER]) assert.ok(!failed.err.includes(canary), failed.err);
      }
    }
  });

  it('over HTTP has no variables: they are texts like any other', async () => {
    const answer = await fetch(`${controlPlane.adminUrl}/config`, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: `_format_version: "3.0"\nvaults:\n- { name: env, prefix: my-env, description: '${variable('DECK_TOKEN')}' }\n`,
    });
    assert.equal(answer.status, 201);
    const { description } = await controlPlane.get('/vaults/my-env');
    assert.equal(description, variable('DECK_TOKEN'));
    const merged = await fetch(`${controlPlane.adminUrl}/config/diff`, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: '_format_version: 2.1\n_ignore: [&a { ttl: 1 }]\nvaults: [{ name: env, prefix: my-env, config: { <<: *a } }]\n',
    });
    const { changes } = (await merged.json()) as {
      changes: Array<{ fields: Array<{ field: string; after: unknown }> }>;
    };
    assert.deepEqual(changes[0]?.fields.find(({ field }) => field === 'config.ttl')?.after, 1);
  });
});
