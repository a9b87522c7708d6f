import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import { type ControlPlane, startControlPlane } from '../control-plane.ts';
import { type ControlPlaneSettings, loadControlPlaneSettings } from '../settings.ts';
import type { Database } from '../store/database.ts';
import { stayingOpen } from '../store/testing/stores.ts';

/** A control plane inside the test's process, on ports of the system's choice. */
export interface TestControlPlane extends ControlPlane {
  settings: ControlPlaneSettings;
  dataDir: string;
  /** What it has logged, each line an object. */
  logged(): Array<Record<string, unknown>>;
  /** Calls its Admin API; a body that is an object goes as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer is judged member by member
  json: any;
}

export interface TestOptions {
  /** Used and not closed; otherwise PGlite in a temporary data_dir. */
  database?: Database;
  clock?: Clock;
  env?: Record<string, string>;
  /** Kept at the stop; otherwise a temporary one is made and removed. */
  dataDir?: string;
}

export async function startTestControlPlane(options: TestOptions = {}): Promise<TestControlPlane> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'vaultplane-cp-'));
  const settings = await loadControlPlaneSettings({
    env: {
      VAULTPLANE_DATA_DIR: dataDir,
      VAULTPLANE_ADMIN_LISTEN: '127.0.0.1:0',
      VAULTPLANE_CLUSTER_LISTEN: '127.0.0.1:0',
      VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0',
      VAULTPLANE_LOG_LEVEL: 'debug',
      ...options.env,
    },
  });
  const lines: string[] = [];
  const log = createLog('vaultplane-cp', settings.log_level, { write: (line) => void lines.push(line) });
  const { database, clock = systemClock } = options;
  const remove = () => options.dataDir === undefined && rmSync(dataDir, { recursive: true, force: true });
  const controlPlane = await startControlPlane(settings, {
    log,
    clock,
    ...(database && { database: stayingOpen(database) }),
  }).catch((error) => {
    remove();
    throw error;
  });
  return {
    ...controlPlane,
    settings,
    dataDir,
    logged: () => lines.map((line) => JSON.parse(line)),
    call: (method, path, body, headers) => call(controlPlane.adminUrl + path, method, body, headers),
    async stop() {
      await controlPlane.stop();
      remove();
    },
  };
}

async function call(url: string, method: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const plain =
    body === undefined || typeof body === 'string' || body instanceof URLSearchParams || body instanceof FormData;
  const answer = await fetch(url, {
    method,
    headers: plain ? headers : { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: plain ? (body as NonNullable<RequestInit['body']>) : JSON.stringify(body) }),
  });
  const text = await answer.text();
  const isJson = text !== '' && answer.headers.get('content-type')?.startsWith('application/json');
  return { status: answer.status, headers: answer.headers, text, json: isJson ? JSON.parse(text) : undefined };
}
