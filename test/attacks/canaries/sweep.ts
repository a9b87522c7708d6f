import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SettingReferences } from '@vaultplane/backends/setting-values/kept-settings.ts';
import { checkSetup } from '@vaultplane/control-plane/cli/check.ts';
import { startControlPlane } from '@vaultplane/control-plane/control-plane.ts';
import { loadControlPlaneSettings } from '@vaultplane/control-plane/settings.ts';
import { openEmbeddedDatabase } from '@vaultplane/control-plane/store/embedded-database.ts';
import { stayingOpen } from '@vaultplane/control-plane/store/testing/stores.ts';
import { checkVaults } from '@vaultplane/data-plane/cli/check-vaults.ts';
import { startDataPlane } from '@vaultplane/data-plane/data-plane.ts';
import { loadDataPlaneSettings } from '@vaultplane/data-plane/settings.ts';
import { CONTROL_PLANE_SETTINGS } from '@vaultplane/model/settings/control-plane-settings.ts';
import { DATA_PLANE_SETTINGS } from '@vaultplane/model/settings/data-plane-settings.ts';
import { createLog, type Log } from '@vaultplane/platform/logging/log.ts';
import { companionsOf } from './companions.ts';
import {
  ask,
  baseOf,
  contentsBelow,
  environmentOf,
  filesIn,
  LOOKUPS,
  leaksOf,
  type Program,
  type Report,
} from './scene.ts';
import { type Canary, canaries } from './shapes.ts';
import { variablesRead } from './variables.ts';

interface Attempt {
  name: string;
  env: Record<string, string>;
  canaries: Canary[];
}

/** One start of a program and all uses of it: gives everything that it has said, and whether it ran. */
type Use = (env: Record<string, string>, folder: string, log: Log, heard: (text: string) => void) => Promise<boolean>;

/** Without keys in the environment the sources behind it are asked. */
const SOURCES_OF_CREDENTIALS =
  /^AWS_(PROFILE|CONFIG|SHARED|CONTAINER|WEB|ROLE|EC2|STS)|^HOME$|^(GCE|GOOGLE|GCP|METADATA|NO)_/;

/** Most of a start is waiting for others. */
const AT_ONCE = 12;

const folder = mkdtempSync('sweep-');
const files = filesIn(process.cwd());

const useDataPlane: Use = async (env, dataDir, log, heard) => {
  const references = new SettingReferences({ env, log });
  const settings = await loadDataPlaneSettings({ env, resolveReference: references.resolve });
  heard(JSON.stringify(await checkVaults(settings, { env, log }).catch(messageOf)));
  const dataPlane = await startDataPlane(settings, { log, env, settingReferences: references });
  try {
    const token = readFileSync(dataPlane.apiTokenFile, 'utf8').trim();
    heard(await ask(`${dataPlane.apiUrl}/v1/resolve`, { token, body: LOOKUPS }));
    heard(await ask(`${dataPlane.apiUrl}/secretsmanager/get?secretId=db`, { token }));
    heard(await ask(`${dataPlane.apiUrl}/v1/resolve`));
    for (const path of ['/status', '/status/ready', '/metrics']) heard(await ask(dataPlane.statusUrl + path));
  } finally {
    await dataPlane.stop();
  }
  heard(contentsBelow(dataDir));
  return true;
};

async function controlPlaneUse(): Promise<Use> {
  const database = stayingOpen(await openEmbeddedDatabase(undefined));
  return async (env, dataDir, log, heard) => {
    const references = new SettingReferences({ env, log });
    const settings = await loadControlPlaneSettings({ env, resolveReference: references.resolve });
    heard(JSON.stringify(await checkSetup(settings).catch(messageOf)));
    const given = env.VAULTPLANE_DATABASE === 'postgres' ? {} : { database };
    const signal = AbortSignal.timeout(1000);
    const started = startControlPlane(settings, { log, settingReferences: references, signal, ...given });
    const controlPlane = await started;
    try {
      const token = settings.admin_token;
      for (const path of ['/', '/status', '/vaults', '/schemas/vaults/hcv', '/config', '/none'])
        heard(await ask(controlPlane.adminUrl + path, { token }));
      heard(await ask(`${controlPlane.adminUrl}/vaults`, { token, body: '{"name":"aws"}' }));
      for (const path of ['/status', '/status/ready', '/metrics']) heard(await ask(controlPlane.statusUrl + path));
    } finally {
      await controlPlane.stop();
    }
    heard(contentsBelow(dataDir));
    return true;
  };
}

/** All that an error may be printed with. */
function messageOf(error: unknown): string {
  const { stack, message } = error as Error;
  return `${stack}\n${message}\n${JSON.stringify(error)}`;
}

async function sweep(program: Program): Promise<Report> {
  const use = program === 'data plane' ? useDataPlane : await controlPlaneUse();
  const schema = program === 'data plane' ? DATA_PLANE_SETTINGS : CONTROL_PLANE_SETTINGS;
  const report: Report = { starts: 0, ran: [], leaks: [] };
  const ran = new Map<string, boolean>();
  const waiting = attempts(Object.keys(schema), program);
  const attempt = async ({ name, env, canaries: hidden }: Attempt): Promise<void> => {
    const dataDir = join(folder, String(report.starts++));
    mkdirSync(dataDir, { mode: 0o700 });
    const said: string[] = [];
    const heard = (text: string) => void said.push(text);
    listeners.add(heard);
    const log = createLog('canary', 'debug', { write: heard });
    try {
      await use({ ...baseOf(dataDir, files), ...env }, dataDir, log, heard);
      if (!ran.has(name)) ran.set(name, true);
    } catch (error) {
      ran.set(name, false);
      heard(messageOf(error));
    } finally {
      listeners.delete(heard);
    }
    report.leaks.push(...leaksOf(`${program}: ${name}`, said.join('\n'), hidden));
    rmSync(dataDir, { recursive: true, force: true });
  };
  const workers = Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.next(); !next.done; next = waiting.next()) await attempt(next.value);
  });
  await Promise.all(workers);
  report.ran = [...ran].flatMap(([name, all]) => (all ? [name] : []));
  return report;
}

/** Each setting and each variable, with each canary; and each setting as a reference, whose value looks harmless. */
function* attempts(keys: string[], program: Program): Generator<Attempt> {
  for (const key of keys) {
    const others = environmentOf(companionsOf(key, files));
    const variable = `VAULTPLANE_${key.toUpperCase()}`;
    for (const canary of canaries()) {
      yield { name: key, env: { ...others, [variable]: canary.text }, canaries: [canary] };
    }
    const text = '/etc/hidden-harmless/place.pem';
    const canary: Canary = { shape: 'a reference', text, secrets: ['hidden-harmless'] };
    yield { name: key, env: { ...others, [variable]: '{vault://env/HARMLESS}', HARMLESS: text }, canaries: [canary] };
  }
  if (program === 'data plane') yield* eachVariable();
  else yield* allVariables();
}

function* eachVariable(): Generator<Attempt> {
  for (const name of variablesRead()) {
    const others: Record<string, string> = SOURCES_OF_CREDENTIALS.test(name) ? { AWS_ACCESS_KEY_ID: '' } : {};
    for (const canary of canaries()) yield { name, env: { ...others, [name]: canary.text }, canaries: [canary] };
  }
}

/** A control plane reads few of them, so all at once are one start a shape. */
function* allVariables(): Generator<Attempt> {
  for (const index of canaries().keys()) {
    const each = variablesRead().map((name) => [name, canaries()[index]!] as const);
    const env = Object.fromEntries(each.map(([name, { text }]) => [name, text]));
    yield { name: 'all variables', env, canaries: each.map(([, canary]) => canary) };
  }
}

/** Who hears what is written past the log. */
const listeners = new Set<(text: string) => void>();

/** @returns what lets the process write again */
function overhear(): () => void {
  const written = [process.stdout, process.stderr].map((stream) => {
    const { write } = stream;
    stream.write = ((chunk: string | Uint8Array) => {
      for (const heard of listeners) heard(String(chunk));
      return true;
    }) as typeof stream.write;
    return () => {
      stream.write = write;
    };
  });
  return () => {
    for (const release of written) release();
  };
}

const release = overhear();
const report = await sweep(process.argv[2] === 'data plane' ? 'data plane' : 'control plane');
release();
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(0);
