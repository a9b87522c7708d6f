import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Identity, readIdentity } from '@vaultplane/data-plane/enrolment/identity-file.ts';
import { ENROLLED_SERVER_NAME } from '@vaultplane/model/protocol/enrolment.ts';
import { CLUSTER_PATH, decodeControlPlaneMessage, encodeMessage } from '@vaultplane/model/protocol/protocol.ts';
import { WebSocket } from 'ws';
import type { ControlPlane, DataPlane } from '../e2e/deployment.ts';

/** A certificate and its key, PEM: what an attacker shows. */
export type Shown = Pick<Identity, 'certificate' | 'key'>;

/** What a data plane has joined with. */
export async function identityOf({ dataDir }: Pick<DataPlane, 'dataDir'>): Promise<Identity> {
  const identity = await readIdentity(dataDir);
  if (!identity) throw new Error(`${dataDir} has not joined`);
  return identity;
}

/** Asks cluster_listen as anybody can, showing what certificate they like, and checking nothing. */
export function post(
  { clusterAddress }: ControlPlane,
  path: string,
  body: unknown,
  shown?: Shown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const [host, port] = clusterAddress.split(':');
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host, port, path, method: 'POST', agent: false, servername: ENROLLED_SERVER_NAME },
        rejectUnauthorized: false,
        ...(shown && { cert: shown.certificate, key: shown.key }),
      },
      async (response) => {
        let text = '';
        for await (const chunk of response.setEncoding('utf8')) text += chunk;
        resolve({ status: response.statusCode!, body: JSON.parse(text) });
      },
    );
    sent.once('error', reject);
    sent.end(JSON.stringify(body));
  });
}

/** Opens the cluster link and says hello as this node. @returns the first message, or the text of a refusal */
export function openLink(
  { clusterAddress }: ControlPlane,
  shown: Shown,
  nodeId: string,
): Promise<{ type: string; code?: string; reason?: string }> {
  return new Promise((resolve, reject) => {
    const link = new WebSocket(`wss://${clusterAddress}${CLUSTER_PATH}`, {
      ...{ cert: shown.certificate, key: shown.key, rejectUnauthorized: false, servername: ENROLLED_SERVER_NAME },
    });
    link.once('open', () =>
      link.send(
        encodeMessage({
          ...{ type: 'hello', protocols: [1], node_id: nodeId, hostname: hostname(), program_version: '0.2.0' },
          ...{ config: null, labels: {} },
        }),
      ),
    );
    link.once('message', (data: Buffer) => {
      resolve(decodeControlPlaneMessage(data));
      link.terminate();
    });
    link.once('unexpected-response', async (_request, response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      resolve({ type: 'refused', code: String(response.headers['vaultplane-refusal']), reason: text });
    });
    link.once('error', reject);
  });
}

/** A signing request by openssl for another's name, with usages and names that its maker would like to have; DER. */
export function openSslRequest(folder: string, name: string): Buffer {
  const base = join(folder, 'wishful');
  const config = `[req]\ndistinguished_name=dn\nreq_extensions=ext\nprompt=no\n[dn]\nCN=${name}\n[ext]\nbasicConstraints=CA:true\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:${ENROLLED_SERVER_NAME},URI:urn:uuid:${name}\n`;
  writeFileSync(`${base}.cnf`, config);
  execFileSync(
    'openssl',
    [
      ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-config', `${base}.cnf`],
      ...['-keyout', `${base}.key`, '-outform', 'DER', '-out', `${base}.csr`],
    ],
    { stdio: 'ignore' },
  );
  return readFileSync(`${base}.csr`);
}
