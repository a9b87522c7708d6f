// Makes the vault aws-sm-vault by the Admin API, where there is none yet.
import { readFileSync } from 'node:fs';

const url = 'http://control-plane:8001/vaults/aws-sm-vault';
const token = /^admin_token = (.*)$/m.exec(readFileSync('/etc/vaultplane/vaultplane.conf', 'utf8'))?.[1] ?? '';
const headers = { 'kong-admin-token': token, 'content-type': 'application/json' };

let answer = await fetch(url, { headers });
if (answer.status === 404) {
  const vault = {
    name: 'aws',
    description: 'Storing secrets in AWS Secrets Manager',
    config: { region: 'us-east-1', ttl: 5 },
  };
  answer = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(vault) });
}
if (!answer.ok) {
  process.stderr.write(`${url}: ${answer.status} ${await answer.text()}\n`);
  process.exit(1);
}
process.stdout.write('the vault aws-sm-vault is there\n');
