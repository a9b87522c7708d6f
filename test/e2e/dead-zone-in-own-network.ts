import { OpenBao } from '@vaultplane/backends/testing/open-bao.ts';
import { makeCertificate } from '@vaultplane/testkit/certificates.ts';
import { freePorts } from '@vaultplane/testkit/free-ports.ts';
import { NameServer } from '@vaultplane/testkit/name-server.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { DATA_PLANE_MAIN, Deployment } from './deployment.ts';

// Run by dead-zone.test.ts in a network of its own, whose name server swallows every packet: prints how long a lookup took
// whose vault's name is in /etc/hosts, while eight others wait for AWS.
const REGIONS = 'us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-west-2 eu-west-3 eu-north-1'.split(' ');

const deployment = new Deployment();
await using names = await NameServer.start(() => 'silent', '127.0.0.53');
await using bao = await OpenBao.start();
try {
  await bao.putSecret('db', { password: 'bar' });
  const { certFile, keyFile } = makeCertificate(deployment.folder, 'cluster');
  const [api, status] = await freePorts(2);
  const env = {
    PATH: process.env.PATH,
    HOME: deployment.folder,
    AWS_ACCESS_KEY_ID: 'AKIA',
    AWS_SECRET_ACCESS_KEY: 'key',
    VAULTPLANE_DATA_DIR: `${deployment.folder}/dp`,
    VAULTPLANE_CLUSTER_CERT: certFile,
    VAULTPLANE_CLUSTER_CERT_KEY: keyFile,
    VAULTPLANE_CLUSTER_CONTROL_PLANE: 'control-plane.example:8005',
    VAULTPLANE_API_LISTEN: `127.0.0.1:${api}`,
    VAULTPLANE_STATUS_LISTEN: `127.0.0.1:${status}`,
    VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
    VAULTPLANE_VAULT_HCV_HOST: 'vault.internal',
    VAULTPLANE_VAULT_HCV_PORT: String(bao.port),
    VAULTPLANE_VAULT_HCV_KV: 'v2',
    VAULTPLANE_VAULT_HCV_TOKEN: bao.rootToken,
  };
  await deployment.start('dp', DATA_PLANE_MAIN, env, `http://127.0.0.1:${status}/status/live`);
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const token = readFileSync(`${deployment.folder}/dp/api-token`, 'utf8').trim();
  const resolve = async (reference: string) => {
    const url = `http://127.0.0.1:${api}/v1/resolve?ref=${encodeURIComponent(reference)}`;
    const answer = await fetch(url, { headers: { 'x-vault-token': token } });
    return (await answer.json()) as { value?: string; error?: { message: string } };
  };
  const aws = REGIONS.map((region) => resolve(`{vault://aws/db?region=${region}}`));
  const zone = (name: string) => name.includes('amazonaws');
  await until('AWS is looked for', () => names.asked.some(zone), 20_000);
  const begun = performance.now();
  const { value, error } = await resolve('{vault://hcv/db/password}');
  const ms = Math.round(performance.now() - begun);
  const told = (await Promise.all(aws)).map((each) => each.error?.message);
  console.log(JSON.stringify({ value, error, ms, asked: names.asked.filter(zone).length, aws: told }));
} finally {
  await deployment.stop();
}
