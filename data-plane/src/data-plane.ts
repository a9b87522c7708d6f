import { X509Certificate } from 'node:crypto';
import type { Server } from 'node:http';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { SettingReferences } from '@vaultplane/backends/setting-values/kept-settings.ts';
import { surroundingsOf } from '@vaultplane/backends/surroundings.ts';
import { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { readSecretsKey } from '@vaultplane/platform/crypto/secrets-key.ts';
import { SHARED_CERTIFICATE_COSTS } from '@vaultplane/platform/crypto/shared-certificate.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { prepareDataDir } from '@vaultplane/platform/files/data-dir.ts';
import { DataDirInUse, DataDirLock } from '@vaultplane/platform/files/data-dir-lock.ts';
import { FollowedFiles } from '@vaultplane/platform/files/followed-files.ts';
import { STOP_WITHIN_MS, Stoppers } from '@vaultplane/platform/lifecycle.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { openTracing } from '@vaultplane/platform/logging/open-tracing.ts';
import type { DoorTls } from '@vaultplane/platform/net/doors.ts';
import { type Address, printAddress, shownAddress } from '@vaultplane/platform/net/network-address.ts';
import { tls } from '@vaultplane/platform/node-modules.ts';
import { warnOfFlags } from '@vaultplane/platform/settings/listen-setting.ts';
import { readPemLater } from '@vaultplane/platform/settings/pem-setting.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import { type BootClock, systemBootClock } from '@vaultplane/platform/time/moment.ts';
import { Access } from './auth/access.ts';
import { backendContextOf } from './backend-context.ts';
import { startResolver } from './cache/resolver.ts';
import { reportedRejections } from './cache/told-rejections.ts';
import { openVaultFile, removeVaultFile } from './cache/vault-file.ts';
import { carryOut } from './config-sync/carry-out.ts';
import { loadLinkCredentials } from './config-sync/cluster-connection.ts';
import { openConfiguration } from './config-sync/configuration.ts';
import type { ConfigurationFallback, ConfigurationFallbackOptions } from './config-sync/configuration-fallback.ts';
import type { ControlPlaneLink } from './config-sync/control-plane-link.ts';
import type { LinkCredentials } from './config-sync/link-credentials.ts';
import { linkProxyOf } from './config-sync/link-proxy.ts';
import { loadNodeId } from './config-sync/node-id.ts';
import { countsByVault } from './config-sync/reference-telling.ts';
import { TrustedKeys } from './config-sync/trusted-keys.ts';
import { Lookups } from './endpoints/lookups.ts';
import { OutageSwitch } from './fault-injection/outage-switch.ts';
import { Rehearsals } from './fault-injection/rehearsals.ts';
import { Refusals } from './limits/refusals.ts';
import { PROGRAM_VERSION } from './program-version.ts';
import { startApiServer } from './server/api-server.ts';
import {
  apiTokenFile,
  controlPlanesOf,
  type DataPlaneSettings,
  fallbackOf,
  labelsOf,
  refuseOwnEndpoint,
} from './settings.ts';
import type { MetricSources, Metrics } from './status/metrics.ts';
import { type StatusFacts, statusFacts } from './status/status-facts.ts';
import { startStatusServer } from './status/status-server.ts';
import { UpstreamDurations } from './status/upstream-durations.ts';
import { followPolicy } from './upstream-policy.ts';

/** Paths that traces may tell; others hold names of secrets. */
const TRACED_ROUTES = ['/v1/resolve', '/v1/watch', '/v1/refresh', '/secretsmanager/get', '/ping'];

/** What is loaded behind the API is loaded in one piece, for which callers would wait. */
const FIRST_CALLS_MS = 10;

/** The library that metrics come from is loaded when they are first asked for, or so long after the start. */
const METRICS_AFTER_MS = 2_000;

/** A data plane that runs. */
export interface DataPlane {
  /** Where applications ask, such as http://127.0.0.1:2773 */
  apiUrl: string;
  /** The first address of /status and /metrics; empty where they are off. */
  statusUrl: string;
  /** The file with the token that applications' calls must carry. */
  apiTokenFile: string;
  facts(): StatusFacts;
  /** Takes renewed certificates of the cluster link into use for the next link. Never rejects. */
  rereadCertificates(): Promise<void>;
  stop(): Promise<void>;
}

export interface DataPlaneOptions {
  log: Log;
  clock?: Clock;
  bootClock?: BootClock;
  /** What resolved the settings, if any of them was a reference. */
  settingReferences?: SettingReferences;
  /** The environment that the vault `env` and AWS's own settings are read from. */
  env?: NodeJS.ProcessEnv;
  /** From 0 up to 1. */
  random?: () => number;
}

/** Starts a data plane. Needs neither AWS nor a control plane to start. @throws StartError */
export async function startDataPlane(settings: DataPlaneSettings, options: DataPlaneOptions): Promise<DataPlane> {
  const { log, clock = systemClock, env = process.env, random = Math.random } = options;
  const { bootClock = systemBootClock } = options;
  const { settingReferences = new SettingReferences({ env, log, clock, bootClock }) } = options;
  const parts = new Stoppers(log);
  try {
    refuseOwnEndpoint(settings, env);
    warnOfFlags(log, { status_listen: settings.status_listen });
    await prepareDataDir(settings.data_dir, log, { group: true });
    const lock = await holdDataDir(settings.data_dir, log);
    parts.add('data_dir', () => lock?.release());
    const enrolled = settings.cluster_mtls === 'enrolled' ? await import('./enrolment/load-enrolled.ts') : undefined;
    const readCredentials = () =>
      enrolled ? enrolled.loadEnrolledUnlessToJoin(settings) : loadLinkCredentials(settings);
    const credentials = FollowedFiles.start<LinkCredentials | undefined>({
      what: 'the cluster certificate',
      initial: await readCredentials(),
      read: readCredentials,
      fingerprint: (read) => JSON.stringify(read ?? null),
      clock,
      log,
    });
    parts.add('certificates', () => credentials.stop());
    const certificateExpiresAt = () =>
      credentials.current ? Date.parse(new X509Certificate(credentials.current.certificate).validTo) : null;
    const diskKey = settings.secrets_key_file === undefined ? null : readSecretsKey(settings.secrets_key_file, log);
    const key = settings.secrets_persist ? diskKey : null;
    const keyring = diskKey ? new Keyring([diskKey]) : undefined;
    const nodeId = await loadNodeId(settings.data_dir, log);
    const { data_dir: dataDir, config_export_public_key: exportKey } = settings;
    const trusted = await TrustedKeys.open({ setting: exportKey, dataDir, log });
    parts.add('keys of control planes', () => trusted.stop());
    if (settings.cluster_mtls === 'shared') log.warn({ export_key: trusted.facts.sha256 }, SHARED_CERTIFICATE_COSTS);
    const tokenFile = apiTokenFile(settings);
    const access = await Access.open({
      tokenFile,
      policiesFile: settings.api_policies,
      awsToken: env.AWS_TOKEN,
      clock,
      log,
    });
    parts.add('access', () => access.stop());
    const refusals = new Refusals(clock, log);
    parts.add('refusals', () => refusals.stop());

    const policy = followPolicy(settings, clock, log);
    if (policy) parts.add('upstream policy', () => policy.stop());

    const configuration = await openConfiguration({ dataDir: settings.data_dir, clock, log, keyring });
    parts.add('configuration', () => configuration.stop());
    let link: ControlPlaneLink | undefined;
    const durations = new UpstreamDurations();
    const endpoint = settings.otel_traces_endpoint;
    const tracing = await openTracing({ endpoint, program: 'vaultplane-dp', version: PROGRAM_VERSION });
    if (tracing) parts.add('tracing', () => tracing.stop());
    const outages = new OutageSwitch();
    const resolver = startResolver({
      clock,
      log,
      env,
      settings,
      random,
      ownListen: printAddress(settings.api_listen),
      upstreamPolicy: policy?.current.policy,
      onRejected: () => link?.reportNow(),
      onUpstreamCall: !tracing
        ? durations.ended
        : (call, type) => {
            durations.ended(call, type);
            tracing.vaultCall(call, type);
          },
      // The values of settings are the data plane's own; so is what a setting refers to, and what a grant names.
      isCredentialVariable: (name) =>
        settingReferences.refersTo(name) || policy?.current.policy.namesVariable(name) === true,
      refusalOf: (entry) => outages.refusalOf(entry),
    });
    parts.add('resolver', () => resolver.stop());
    policy?.onChange(({ policy: now }) => resolver.setUpstreamPolicy(now));
    const lookups = new Lookups(resolver, refusals);
    const { continuity } = resolver;
    const onDisk = key && { dataDir, key, nodeId, surroundings: await surroundingsOf(env), continuity };
    const vaultFile = onDisk && (await openVaultFile({ ...onDisk, clock, bootClock, log }));
    const noVaultFile = vaultFile ? null : await removeVaultFile(dataDir, log);
    if (vaultFile) parts.add('secrets on disk', () => vaultFile.stop());
    const configure = () => {
      const { current } = configuration;
      resolver.configure({ snapshot: current?.snapshot ?? null, defaults: current?.defaults ?? {} });
      vaultFile?.configured(current !== null);
    };
    configure();

    await settingReferences.keep(settings, nodeId);
    parts.add('values of settings', () => settingReferences.stop());

    const rehearsals = new Rehearsals({
      outages,
      facts: () => facts(),
      dropLink: () => link?.drop('a drill (cp-outage) has ended the link'),
      clock,
      log,
    });

    const api = await startApiServer({
      listen: settings.api_listen,
      tls: await readApiCertificate(settings),
      unixSocket: settings.api_unix_socket,
      lookups,
      resolver,
      access,
      refusals,
      ...(tracing && { onServer: (server: Server) => tracing.traceServer(server, TRACED_ROUTES), shortWay: false }),
      rehearsals,
      configVersion: () => configuration.current?.snapshot.version ?? null,
      clock,
      log,
    });
    parts.add('API', () => api.stop());
    parts.add('drill', () => rehearsals.stop());

    // Applications can ask from here on, and those that have waited do; what only the rest needs is loaded behind them.
    await sleep(FIRST_CALLS_MS);
    const { startControlPlaneLink } = await import('./config-sync/control-plane-link.ts');
    const { startPrefetching } = await import('./prefetch/prefetching.ts');

    const proxy = linkProxyOf(settings);
    const enrolment = enrolled && (await startEnrolment(settings, { clock, log, random }));
    const linked = startControlPlaneLink({
      endpoints: controlPlanesOf(settings),
      credentials: async (address, signal) => {
        outages.refuseControlPlane();
        await enrolment?.ensure(address, { signal, proxy });
        // They may have been renewed a moment ago, because of what the last link was refused for.
        await credentials.look();
        return credentials.current ?? loadLinkCredentials(settings);
      },
      trusted,
      onRefused: (code) => enrolment?.refused(code),
      renewal: enrolment && (() => enrolment.renewalRequest()),
      renewed: (answer) =>
        void enrolment?.renewed(answer).then((isRenewed) => {
          if (isRenewed) link?.drop('the certificate is renewed');
        }),
      proxy,
      identity: { nodeId, hostname: hostname(), programVersion: PROGRAM_VERSION, labels: labelsOf(settings) },
      configuration,
      report: () => ({
        references: resolver.counts(),
        rejected_vaults: reportedRejections(resolver.rejectedVaults()),
        vaults: countsByVault(resolver.inventory()),
        cert_expires_at: Math.floor(certificateExpiresAt()! / 1000),
      }),
      inventory: () => resolver.inventory(),
      carryOut: (command) => carryOut(command, resolver, log),
      clock,
      log,
      random,
    });
    link = linked;
    credentials.onChange((renewed) => renewed && linked.recheck(renewed));
    parts.add('control plane link', () => linked.stop());
    const prefetching = await startPrefetching({ settings, resolver, clock, random, log });
    parts.add('prefetching', () => prefetching.stop());
    const fallback = await startFallback(settings, {
      configuration,
      keyring,
      credentials: () => credentials.current,
      trusted,
      isLinked: () => linked.state().connected,
      env,
      clock,
      log,
      random,
    });
    if (fallback) parts.add('configuration fallback', () => fallback.stop());
    configuration.onChange(() => {
      configure();
      prefetching.configured();
      linked.reportNow();
    });

    const watchers = () => api.watchers.count;
    let draining = false;
    const facts = statusFacts({
      version: PROGRAM_VERSION,
      nodeId: () => credentials.current?.nodeId ?? nodeId,
      configuration,
      link: linked,
      resolver,
      lookups,
      refusals,
      watchers,
      rehearsals,
      connections: () => api.connections.count,
      prefetching,
      settingReferences: () => settingReferences.facts(),
      secretsOnDisk: () => vaultFile?.facts() ?? noVaultFile!,
      fallbackError: () => fallback?.error ?? null,
      exportKey: () => trusted.facts,
      certificate: () => ({
        expiresAt: certificateExpiresAt(),
        problem: credentials.error ?? enrolment?.problem ?? null,
      }),
      draining: () => draining,
      upstreamPolicy: () => ({ file: settings.upstream_policy ?? null, problem: policy?.error ?? null }),
      clock,
    });
    const sources: MetricSources = {
      facts,
      answered: () => lookups.answered(),
      fetches: () => resolver.fetchCounts(),
      cache: () => resolver.cacheUsage(),
      inventory: () => resolver.inventory(),
      certificate: async () => (await loadLinkCredentials(settings)).certificate,
      now: () => clock.now(),
      secretNames: settings.metrics_secret_names,
    };
    let metrics: Promise<Metrics> | undefined;
    const loadMetrics = () => {
      metrics ??= import('./status/metrics.ts').then(({ createMetrics }) => createMetrics(sources, durations));
      return metrics;
    };
    parts.add(
      'metrics',
      clock.after(METRICS_AFTER_MS, () => void loadMetrics()),
    );
    const status = await startStatusServer({
      listen: settings.status_listen,
      tls: await readStatusCertificate(settings),
      facts,
      metrics: loadMetrics,
      setReadiness: (wanted) => {
        draining = wanted === 'draining';
        if (draining) log.warn({}, 'draining: not ready from now on, and serving as before');
        else log.info({}, 'no longer draining');
      },
      log,
    });
    parts.add('status', () => status.stop());

    const apiUrl = urlOf(settings.api_ssl_cert ? 'https' : 'http', api.address);
    const statusUrl = status.urls[0] ?? '';
    log.info(
      {
        version: PROGRAM_VERSION,
        api: apiUrl,
        ...(settings.api_unix_socket !== undefined && { api_unix_socket: settings.api_unix_socket }),
        status: statusUrl || null,
        listening: { api: [apiUrl], status: status.urls },
        control_plane: controlPlanesOf(settings).map(shownAddress),
        data_dir: settings.data_dir,
        api_token_file: tokenFile,
        config_version: configuration.current?.snapshot.version ?? null,
      },
      'ready',
    );
    return {
      apiUrl,
      statusUrl,
      apiTokenFile: tokenFile,
      facts,
      rereadCertificates: () => credentials.look(),
      stop: () => {
        lock?.stopping();
        return parts.stop();
      },
    };
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

/**
 * Keeps other data planes out of data_dir: two would write over each other's files, as one node. One that is stopping is
 * waited for. A file system without sockets, or one that is read-only, is no reason not to start.
 *
 * @throws DataDirInUse
 */
async function holdDataDir(path: string, log: Log): Promise<DataDirLock | undefined> {
  const onWait = () => log.info({ data_dir: path }, 'waiting for another data plane that is stopping');
  try {
    return await DataDirLock.take(path, 'data-plane.lock', { waitMs: STOP_WITHIN_MS, onWait });
  } catch (error) {
    if (error instanceof DataDirInUse) throw error;
    log.warn({ error: errorMessage(error) }, 'data_dir can not be locked; no other data plane may use it');
    return undefined;
  }
}

/** What joins, and renews a certificate that has ended. Loaded behind the first answer. */
async function startEnrolment(
  settings: DataPlaneSettings,
  { clock, log, random }: { clock: Clock; log: Log; random: () => number },
) {
  const { Enrolment } = await import('./enrolment/enrolment.ts');
  const { joinTokenOf } = await import('./enrolment/load-enrolled.ts');
  const token = joinTokenOf(settings);
  return new Enrolment({ dataDir: settings.data_dir, token, now: () => clock.now(), random: random(), log });
}

/** Looks for an exported configuration; undefined where no setting names a place. */
async function startFallback(
  settings: DataPlaneSettings,
  options: Pick<ConfigurationFallbackOptions, 'configuration' | 'keyring' | 'isLinked' | 'clock' | 'log' | 'random'> & {
    env: NodeJS.ProcessEnv;
    credentials: () => LinkCredentials | undefined;
    trusted: TrustedKeys;
  },
): Promise<ConfigurationFallback | undefined> {
  const { env, credentials, trusted, ...rest } = options;
  const url = fallbackOf(settings);
  if (!url) return undefined;
  const { ConfigurationFallback, exportTrust, joiningTrust } = await import('./config-sync/configuration-fallback.ts');
  const { openPlace } = await import('@vaultplane/backends/open-place.ts');
  const context = backendContextOf(settings, { env, log: options.log });
  const trust = async () => {
    const current = credentials();
    if (current) return exportTrust(current, controlPlanesOf(settings), trusted);
    const { joinTokenOf } = await import('./enrolment/load-enrolled.ts');
    return joiningTrust((await joinTokenOf(settings)!()).pin, trusted);
  };
  return ConfigurationFallback.start({ ...rest, place: openPlace(url, { context }), trust });
}

/** The certificate of api_listen; undefined where it speaks plain HTTP. @throws StartError */
export async function readApiCertificate(
  settings: DataPlaneSettings,
): Promise<{ cert: string; key: string } | undefined> {
  const { api_ssl_cert, api_ssl_cert_key } = settings;
  if (api_ssl_cert === undefined || api_ssl_cert_key === undefined) return undefined;
  return {
    cert: await readPemLater('api_ssl_cert', api_ssl_cert),
    key: await readPemLater('api_ssl_cert_key', api_ssl_cert_key),
  };
}

/** The certificate of status_listen; undefined where it speaks plain HTTP. @throws StartError */
export async function readStatusCertificate(settings: DataPlaneSettings): Promise<DoorTls | undefined> {
  const { status_ssl_cert: certificate, status_ssl_cert_key: key } = settings;
  if (certificate === undefined || key === undefined) return undefined;
  const pair = {
    cert: await readPemLater('status_ssl_cert', certificate),
    key: await readPemLater('status_ssl_cert_key', key),
  };
  try {
    tls.createSecureContext(pair);
  } catch (error) {
    throw new StartError(`status_ssl_cert and status_ssl_cert_key can't be used together: ${errorMessage(error)}`);
  }
  return { ...pair, minVersion: 'TLSv1.2' };
}

function urlOf(scheme: string, address: Address): string {
  return `${scheme}://${printAddress(address)}`;
}
