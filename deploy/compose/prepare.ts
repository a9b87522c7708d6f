// What the services of compose.yaml must have before they start, made once, in volumes: the certificate of the cluster
// link, the database's password, and the control planes' settings with that password and an admin token. Nothing secret
// stands in compose.yaml or in the environment.
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, writeFileSync } from 'node:fs';

const VAULTPLANE = 10_001;

function write(path: string, text: string, mode: number, owner: number): void {
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  chownSync(path, owner, owner);
}

if (!existsSync('/setup/control-plane/vaultplane.conf')) {
  const password = randomBytes(24).toString('base64url');
  // Postgres' image reads it as a user of its own.
  write('/setup/postgres/password', password, 0o444, 0);
  const made = spawnSync('vaultplane-cp', ['certs', 'create', '--out', '/setup/cluster'], { stdio: 'inherit' });
  if (made.status !== 0) process.exit(1);
  for (const name of ['cluster.crt', 'cluster.key']) chownSync(`/setup/cluster/${name}`, VAULTPLANE, VAULTPLANE);
  // The key under which the data planes keep values on disk; on machines of their own, each has its own.
  write('/setup/keys/secrets.key', `${randomBytes(32).toString('base64')}\n`, 0o400, VAULTPLANE);
  // The control planes' export key tells them from data planes, which have its public half: also one that starts for the
  // first time while no control plane is there knows by it which configuration it may take.
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const exportKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  write('/setup/control-plane/export.key', exportKey, 0o400, VAULTPLANE);
  write('/setup/cluster/export.pub', publicKey.export({ type: 'spki', format: 'pem' }).toString(), 0o444, VAULTPLANE);
  // Under it the control planes encrypt credentials in the database.
  write('/setup/control-plane/keyring.key', `${randomBytes(32).toString('base64')}\n`, 0o400, VAULTPLANE);
  // Last, since it says that all of this is done.
  write(
    '/setup/control-plane/vaultplane.conf',
    [
      `pg_password = ${password}`,
      `admin_token = ${randomBytes(24).toString('base64url')}`,
      'keyring_key_file = /etc/vaultplane/keyring.key',
      'config_export_key_file = /etc/vaultplane/export.key',
      '',
    ].join('\n'),
    0o600,
    VAULTPLANE,
  );
}
process.stdout.write('prepared\n');
