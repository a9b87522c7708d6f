import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { COMMON_SETTINGS } from '@vaultplane/model/settings/common-settings.ts';
import { loadSettings } from '@vaultplane/model/settings/load-settings.ts';

describe('names that are no settings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-names-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const load = async (conf: string, env: NodeJS.ProcessEnv = {}) => {
    const confFile = join(folder, 'kong.conf');
    writeFileSync(confFile, conf);
    const warnings: string[] = [];
    await loadSettings(COMMON_SETTINGS, { confFile, env, warn: (line) => void warnings.push(line) });
    return warnings;
  };

  it("of Kong's own list are one warning, in a file and in the environment", async () => {
    const conf = 'proxy_listen = 0.0.0.0:8000\nnginx_http_charset = UTF-8\nrole = control_plane\nlog_level = info\n';
    const env = { KONG_PLUGINS: 'bundled', KONG_LOG_LEVEL: 'info', KONG_VERSION: '3.9.0', KONG_ADMIN_LISTEN: 'off' };
    assert.deepEqual(await load(conf, env), [
      'WARNING: settings of Kong that mean nothing here are ignored: proxy_listen, nginx_http_charset, role, KONG_PLUGINS',
    ]);
  });

  it("are errors in a file where they are nobody's, with the nearest right name", async () => {
    await assert.rejects(load('log_levle = info'), /kong\.conf:1: unknown key log_levle; did you mean log_level\?/);
    await assert.rejects(load('proxy_lisen = off'), /unknown key proxy_lisen/);
  });

  it('are a warning with the nearest right name where a variable is misspelt', async () => {
    const env = { VAULTPLANE_LOG_LEVLE: 'debug', KONG_CLUSTER_CRET: '/x', VAULTPLANE_IMAGE: 'tool', KONG_EMPTY: '' };
    assert.deepEqual(await load('', env), [
      'WARNING: VAULTPLANE_LOG_LEVLE is no setting, and is ignored; did you mean VAULTPLANE_LOG_LEVEL?',
      'WARNING: KONG_CLUSTER_CRET is no setting, and is ignored; did you mean KONG_CLUSTER_CERT?',
    ]);
  });
});
