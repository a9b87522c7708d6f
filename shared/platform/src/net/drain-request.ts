import type { IncomingMessage } from 'node:http';
import { foreignChanger } from './foreign-caller.ts';

/** Whether a program is taken out of its load balancer, or ready again. */
export type WantedReadiness = 'draining' | 'ready';

/** `POST /status/ready` that is not carried out. */
export class RefusedDrain extends Error {
  override readonly name = 'RefusedDrain';
  readonly status: 400 | 403 | 413;

  constructor(status: RefusedDrain['status'], message: string) {
    super(message);
    this.status = status;
  }
}

const MAX_BODY_BYTES = 1024;
const FORM = /^application\/x-www-form-urlencoded\b/i;

/**
 * Reads `POST /status/ready`, as `kong drain` sends it: `{"status":"draining"}`; `{"status":"ready"}` undoes it. A form will do.
 *
 * The port has no token: so it is for programs on this machine only, and for none behind a proxy or of a web page.
 * Source: Kong, cmd/drain.lua.
 *
 * @throws RefusedDrain
 */
export async function readDrainRequest(request: IncomingMessage): Promise<WantedReadiness> {
  const foreign = foreignChanger(request);
  if (foreign !== undefined) throw new RefusedDrain(403, foreign);
  const status = statusOf(await textOf(request), request.headers['content-type'] ?? '');
  if (status === 'draining' || status === 'ready') return status;
  throw new RefusedDrain(400, 'the body must be {"status":"draining"}, or {"status":"ready"} to undo it');
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new RefusedDrain(413, `the body has at most ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function statusOf(text: string, type: string): unknown {
  if (FORM.test(type)) return new URLSearchParams(text).get('status');
  try {
    return (JSON.parse(text) as { status?: unknown } | null)?.status;
  } catch {
    return undefined;
  }
}
