import { type BackendContext, deadlinesOf } from '@vaultplane/backends/backend.ts';
import { openPlace } from '@vaultplane/backends/open-place.ts';
import type { SettingReferences } from '@vaultplane/backends/setting-values/kept-settings.ts';
import { prefixesWithCredentials } from '@vaultplane/model/snapshots/sealed-snapshot.ts';
import { fleetDefaultsOf, homeRegionOf } from '@vaultplane/model/vaults/vault-settings.ts';
import { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { readSecretsKey } from '@vaultplane/platform/crypto/secrets-key.ts';
import { SHARED_CERTIFICATE_COSTS } from '@vaultplane/platform/crypto/shared-certificate.ts';
import { prepareDataDir } from '@vaultplane/platform/files/data-dir.ts';
import { FollowedFiles } from '@vaultplane/platform/files/followed-files.ts';
import { Stoppers } from '@vaultplane/platform/lifecycle.ts';
import type { Log, LogLevel } from '@vaultplane/platform/logging/log.ts';
import { openTracing } from '@vaultplane/platform/logging/open-tracing.ts';
import type { WantedReadiness } from '@vaultplane/platform/net/drain-request.ts';
import { printListen, warnOfFlags } from '@vaultplane/platform/settings/listen-setting.ts';
import { shownPem } from '@vaultplane/platform/settings/pem-setting.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import { startAdminServer } from './admin-api/admin-server.ts';
import { ensureAdminToken } from './admin-api/admin-token.ts';
import { Authentication } from './admin-api/authentication.ts';
import { CertificateAuthority } from './fleet/certificate-authority.ts';
import { type CertificateFiles, ensureSharedCertificate } from './fleet/certificates.ts';
import { startClusterServer } from './fleet/cluster-server.ts';
import { ConfigExport, type ConfigExportOptions } from './fleet/config-export.ts';
import { EnrolledIdentity } from './fleet/enrolled-identity.ts';
import { Enrolment } from './fleet/enrolment.ts';
import { ensureExportKey, type OwnExportKey } from './fleet/export-key.ts';
import { Fleet } from './fleet/fleet.ts';
import { FleetCommands } from './fleet/fleet-commands.ts';
import { LinkAdmission } from './fleet/link-admission.ts';
import { applicationNameOf } from './fleet/link-peers.ts';
import { type ClusterIdentity, clusterIdentity } from './fleet/peer-check.ts';
import { Publisher } from './fleet/publisher.ts';
import { ReferenceRegistry } from './fleet/reference-registry.ts';
import { WithheldVaults } from './fleet/withheld-vaults.ts';
import { ensureNodeId } from './node-id.ts';
import { type ControlPlaneSettings, exportOf, managerPathOf } from './settings.ts';
import { Metrics } from './status/metrics.ts';
import { observedDatabase } from './status/observed-database.ts';
import { startStatusServer } from './status/status-server.ts';
import { type AuditLog, noteLogLevel, noteReadiness } from './store/audit-log.ts';
import type { Database } from './store/database.ts';
import { refuseDatabase } from './store/database-problem.ts';
import { ensureKeyring, keyringOf } from './store/keyring-file.ts';
import { openDatabase, prepareStore, type Store, storeOptions } from './store/open-store.ts';
import { PROGRAM_VERSION } from './version.ts';

/** How long a Postgres that can't be reached is waited for at the start. */
const WAIT_FOR_DATABASE_MS = 30_000;

const WITHOUT_EXPORT_KEY =
  'there is no export key; under cluster_mtls = shared data planes can not tell this control plane from a data plane, those that know a key refuse it, and none takes what it exports';

export interface ControlPlane {
  nodeId: string;
  /** The first address of each; empty where it is off. */
  adminUrl: string;
  /** wss://…/v1/cluster */
  clusterUrl: string;
  statusUrl: string;
  /** What a data plane must have as cluster_cert and cluster_cert_key in shared mode; empty where there are none. */
  certificateFile: string;
  keyFile: string;
  /** Takes renewed certificates of the cluster link into use now, without dropping a link. Never rejects. */
  rereadCertificates(): Promise<void>;
  /** Notes in the audit log that a signal has changed the log level. Never rejects. */
  noteLogLevel(from: LogLevel): Promise<void>;
  stop(): Promise<void>;
}

export interface ControlPlaneSurroundings {
  log: Log;
  clock?: Clock;
  /** Ends a start that is still waiting. */
  signal?: AbortSignal;
  /** What resolved the settings, if any of them was a reference. */
  settingReferences?: SettingReferences;
  /** Used instead of the one that the settings name, and closed at the stop. */
  database?: Database;
}

/**
 * Starts every part of the control plane, and joins them.
 *
 * @throws StartError, with nothing left running, when a part can't start for a reason that its user can mend
 */
export async function startControlPlane(
  settings: ControlPlaneSettings,
  { log, clock = systemClock, signal, settingReferences, database: given }: ControlPlaneSurroundings,
): Promise<ControlPlane> {
  const stoppers = new Stoppers(log);
  const startedAt = clock.now();
  let phase: 'starting' | 'up' | 'stopping' = 'starting';
  let readiness: WantedReadiness = 'ready';
  const facts: {
    publisher?: Publisher;
    database?: Database;
    fleet?: Fleet;
    identity?: FollowedFiles<ClusterIdentity>;
    nodeId?: string;
    configExport?: ConfigExport;
    exportKey?: OwnExportKey;
    withheld?: WithheldVaults;
    audit?: AuditLog;
  } = {};

  try {
    const { admin_listen, cluster_listen, status_listen } = settings;
    warnOfFlags(log, { admin_listen, cluster_listen, status_listen });
    await prepareDataDir(settings.data_dir, log);
    const nodeId = ensureNodeId(settings.data_dir);
    facts.nodeId = nodeId;
    const metrics = new Metrics();
    const status = await startStatusServer({
      listen: settings.status_listen,
      certificate: settings.status_ssl_cert,
      privateKey: settings.status_ssl_cert_key,
      facts: () => ({
        program: 'vaultplane-cp',
        version: PROGRAM_VERSION,
        node_id: nodeId,
        state: phase,
        draining: readiness === 'draining',
        uptime_s: Math.floor((clock.now() - startedAt) / 1000),
        database: {
          kind: settings.database,
          error: facts.publisher?.databaseError ?? facts.database?.readOnlyProblem?.() ?? null,
        },
        config: facts.publisher?.position ?? null,
        vaults: facts.publisher?.current.vaults.length ?? null,
        withheld_vaults: facts.withheld?.current ?? [],
        data_planes: { connected: facts.fleet?.connected ?? 0 },
        settings: settingReferences?.facts() ?? { old: [], disk_problem: null },
        config_export: facts.configExport?.state ?? null,
        export_key: exportKeyFacts(facts.exportKey),
        cluster_certificate: {
          expires_at: facts.identity?.current.expiresAt.toISOString() ?? null,
          problem: facts.identity?.error ?? null,
        },
      }),
      reasons: () => [
        ...(readiness === 'draining' ? ['it is draining'] : []),
        ...(phase === 'up' ? [] : [`the control plane is ${phase}`]),
        ...(facts.publisher?.databaseError === undefined ? [] : ['the database can not be read']),
        ...(facts.database?.readOnlyProblem?.() ? ['the database takes no writes'] : []),
      ],
      setReadiness: async (wanted, remoteAddress) => {
        if (wanted === readiness) return;
        readiness = wanted;
        await noteReadiness({ audit: facts.audit, log }, wanted, remoteAddress);
      },
      metrics,
    });
    stoppers.add('status', () => status.stop());

    const isAuthority = settings.cluster_mtls === 'enrolled';
    const files = await certificateFiles(settings, log);
    // What is wrong with files is said before a database is waited for.
    const ofFiles = isAuthority ? undefined : clusterIdentity(settings, files!);
    const name = applicationNameOf(nodeId);
    const opened = given ?? (await openDatabase(settings, log, clock, WAIT_FOR_DATABASE_MS, signal, name));
    const database = observedDatabase(opened, metrics.databaseOperation);
    facts.database = database;
    stoppers.add('database', () => database.close());
    if (isAuthority) await ensureKeyring(settings);
    const store = await prepareStore(database, log, clock, storeOptions(settings));
    facts.audit = store.audit;
    const enrolled = isAuthority ? await startEnrolment(settings, { store, nodeId, files, clock, log }) : undefined;
    if (enrolled) stoppers.add('enrolment', () => enrolled.enrolment.stop());
    const readIdentity = enrolled ? () => enrolled.identity.read() : () => clusterIdentity(settings, files!);
    const identity = FollowedFiles.start({
      what: 'the cluster certificate',
      initial: ofFiles ?? (await readIdentity()),
      read: readIdentity,
      fingerprint: ({ certificate, key, authority, sharedPair }) =>
        [certificate, key, authority, sharedPair?.key].join(),
      clock,
      log,
    });
    stoppers.add('certificates', () => identity.stop());
    facts.identity = identity;
    await store.config.checkKeyring();
    facts.exportKey = await ensureExportKey(settings, database);
    const { key: exportKey } = facts.exportKey;
    if (!facts.exportKey.key) log.warn({ reason: facts.exportKey.problem }, WITHOUT_EXPORT_KEY);
    if (settings.cluster_mtls === 'shared')
      log.warn({ export_key: exportKey?.publicKey.fingerprint }, SHARED_CERTIFICATE_COSTS);
    const stopPruning = store.audit.keepFor(settings.audit_log_record_ttl, log);
    stoppers.add('audit log', stopPruning);
    const authentication = await Authentication.create({
      tokens: store.tokens,
      adminToken: ensureAdminToken(settings, log),
      listen: settings.admin_listen,
      clock,
      log,
    });

    const publisher = await Publisher.start({ store: store.config, database, clock, log });
    stoppers.add('publisher', () => publisher.stop());
    facts.publisher = publisher;
    const withheld = new WithheldVaults({ store: store.config, publisher, log });
    stoppers.add('withheld vaults', () => withheld.stop());
    facts.withheld = withheld;
    const withCredentials = prefixesWithCredentials(publisher.current);
    if (withCredentials.length > 0) {
      log.warn(
        { vaults: withCredentials.slice(0, 20) },
        'credentials of vaults stand in the configuration, and so on every data plane; a reference such as {vault://env/HCV_TOKEN} keeps them out',
      );
    }
    const { fleetNodes } = store;
    const purge = () => fleetNodes.purge(settings.cluster_data_plane_purge_delay);
    const fleet = await Fleet.start({ controlPlaneId: nodeId, purge, database, clock, log });
    stoppers.add('fleet', () => fleet.stop());
    facts.fleet = fleet;
    const registryOptions = { controlPlaneId: nodeId, database, clock, log };
    const references = await ReferenceRegistry.start({ ...registryOptions, census: fleet.census });
    stoppers.add('references', () => references.stop());
    const commands = await FleetCommands.start({ ...registryOptions, members: () => fleet.members });
    stoppers.add('commands', () => commands.stop());
    metrics.observe({
      configVersion: () => publisher.position.version,
      vaults: () => publisher.current.vaults.length,
      dataPlanes: () => [...fleet.members].map(({ row }) => row),
      references: async () => (await references.references()).references,
      databaseUp: () => publisher.databaseError === undefined && !database.readOnlyProblem?.(),
      certificateExpiresAt: () => identity.current.expiresAt,
    });

    const admission = await LinkAdmission.start({ controlPlaneId: nodeId, nodes: fleetNodes, database, clock, log });
    stoppers.add('admission of links', () => admission.stop());
    const defaults = fleetDefaultsOf(settings);
    const { secrets_key_file: keyFile } = settings;
    const configExport = startExport(settings, {
      keyring: keyFile === undefined ? undefined : new Keyring([readSecretsKey(keyFile)]),
      intervalMs: settings.cluster_fallback_config_export_delay * 1000,
      identity: () => identity.current,
      exportKey,
      defaults,
      publisher,
      clock,
      log,
    });
    if (configExport) {
      facts.configExport = configExport;
      identity.onChange(() => configExport.exportSoon());
      stoppers.add('configuration export', () => configExport.stop());
    }
    const cluster = await startClusterServer({
      listen: settings.cluster_listen,
      identity,
      enrolment: enrolled?.enrolment,
      controlPlaneId: nodeId,
      exportKey,
      defaults,
      publisher,
      fleet,
      admission,
      metrics,
      clock,
      log,
    });
    stoppers.add('cluster', () => cluster.stop());
    const endpoint = settings.otel_traces_endpoint;
    const tracing = await openTracing({ endpoint, program: 'vaultplane-cp', version: PROGRAM_VERSION });
    if (tracing) stoppers.add('tracing', () => tracing.stop());
    const admin = await startAdminServer({
      tracing,
      listen: settings.admin_listen,
      certificateFile: settings.admin_ssl_cert,
      keyFile: settings.admin_ssl_cert_key,
      store,
      enrolment: enrolled?.enrolment,
      authentication,
      publisher,
      fleet,
      exportKey: exportKey?.publicKey,
      dataPlanePurgeDelay: settings.cluster_data_plane_purge_delay,
      references,
      commands,
      clock,
      metrics,
      managerPath: managerPathOf(settings),
      information: { nodeId, adminListen: settings.admin_listen.map(printListen) },
      log,
    });
    stoppers.add('admin', () => admin.stop());

    if (settingReferences) {
      await settingReferences.keep(settings, nodeId);
      stoppers.add('values of settings', () => settingReferences.stop());
    }

    phase = 'up';
    const listening = { admin: admin.urls, cluster: cluster.urls, status: status.urls };
    const urls = { adminUrl: admin.urls[0] ?? '', clusterUrl: cluster.urls[0]!, statusUrl: status.urls[0] ?? '' };
    log.info(
      {
        admin: urls.adminUrl || null,
        cluster: urls.clusterUrl,
        status: urls.statusUrl || null,
        listening,
        config: publisher.position,
      },
      'ready',
    );
    return {
      nodeId,
      ...urls,
      certificateFile: files?.certificateFile ?? '',
      keyFile: files?.keyFile ?? '',
      rereadCertificates: () => identity.look(),
      noteLogLevel: (from) =>
        noteLogLevel(
          { audit: store.audit, log },
          { name: 'signal', role: 'admin', remoteAddress: null },
          { method: 'SIGNAL', path: 'SIGHUP' },
          from,
        ),
      stop: () => {
        phase = 'stopping';
        return stoppers.stop();
      },
    };
  } catch (error) {
    await stoppers.stop();
    return refuseDatabase(error);
  }
}

/** The CA of `cluster_mtls = enrolled`, who joins by it, and the identity that it gives this control plane. */
async function startEnrolment(
  settings: ControlPlaneSettings,
  options: { store: Store; nodeId: string; files: CertificateFiles | undefined; clock: Clock; log: Log },
): Promise<{ enrolment: Enrolment; identity: EnrolledIdentity }> {
  const { store, nodeId, files, clock, log } = options;
  const authority = await CertificateAuthority.open(store.database, keyringOf(settings));
  const enrolment = await Enrolment.start({
    authority,
    invitations: store.invitations,
    nodes: store.nodes,
    certificateSeconds: settings.cluster_certificate_ttl,
    graceSeconds: settings.cluster_renewal_grace,
    clock,
    log,
  });
  const identity = new EnrolledIdentity({ authority, enrolment, controlPlaneId: nodeId, shared: files, clock });
  return { enrolment, identity };
}

/** For /status: which key it is, and where it is kept, or why there is none. */
function exportKeyFacts(own: OwnExportKey | undefined) {
  if (own?.key) return { sha256: own.key.publicKey.fingerprint, kept: own.kept, problem: null };
  return { sha256: null, kept: null, problem: own?.problem ?? null };
}

/** The export of the configuration; undefined where no setting asks for it. */
function startExport(
  settings: ControlPlaneSettings,
  options: Omit<ConfigExportOptions, 'place'>,
): ConfigExport | undefined {
  const url = exportOf(settings);
  if (!url) return undefined;
  const context: BackendContext = {
    env: process.env,
    log: options.log,
    trustedCertificates: settings.ssl_trusted_certificate,
    homeRegion: homeRegionOf(settings),
    deadlines: deadlinesOf(settings),
    counts: { calls: 0, errors: 0, throttled: 0 },
  };
  return ConfigExport.start({ ...options, place: openPlace(url, { context }) });
}

/**
 * The cluster link's files: those that the settings name, or those of data_dir, made where they are missing. Under
 * `enrolled` only those that are set, for data planes that still come with the shared certificate; undefined where none.
 */
async function certificateFiles(settings: ControlPlaneSettings, log: Log): Promise<CertificateFiles | undefined> {
  const { cluster_cert: certificateFile, cluster_cert_key: keyFile, cluster_strict_usage: strict } = settings;
  const isAuthority = settings.cluster_mtls === 'enrolled';
  if (isAuthority && strict) return undefined;
  if (certificateFile !== undefined && keyFile !== undefined) {
    if (isAuthority) {
      log.warn(
        { cluster_cert: shownPem(certificateFile) },
        'data planes with the shared certificate are accepted too; unset cluster_cert, or set cluster_strict_usage = on, when all have joined',
      );
    }
    return { certificateFile, keyFile };
  }
  if (isAuthority) return undefined;
  const files = await ensureSharedCertificate(settings.data_dir);
  if (settings.database === 'postgres') {
    log.warn(
      { ...files },
      'cluster_cert is not set: this control plane uses one of its own making; give every other on this database the same files',
    );
  }
  return files;
}
