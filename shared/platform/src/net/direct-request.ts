import { text } from 'node:stream/consumers';
import { lookup } from '../names/lookup.ts';
import { http, https } from '../node-modules.ts';

export interface DirectRequest {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** PEM. The certificate that must be shown over TLS, whatever name it is for. */
  ca?: string;
  signal?: AbortSignal;
}

/**
 * Asks a program of this machine and reads the answer whole. Unlike `fetch` it never goes through a proxy, which Node.js does
 * where NODE_USE_ENV_PROXY is set: tokens of this machine stay on it.
 *
 * @throws Error of the connection
 */
export async function requestDirectly(
  url: string,
  { method = 'GET', headers, body, ca, signal }: DirectRequest = {},
): Promise<{ status: number; body: string }> {
  const { protocol } = new URL(url);
  const { Agent, request } = protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method,
        agent: new Agent({ lookup }),
        headers: { ...headers, ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }) },
        ...(ca !== undefined && { ca, allowPartialTrustChain: true, checkServerIdentity: () => undefined }),
        ...(signal && { signal }),
      },
      (response) => {
        text(response).then((read) => resolve({ status: response.statusCode ?? 0, body: read }), reject);
      },
    );
    sent.once('error', reject);
    sent.end(body);
  });
}
