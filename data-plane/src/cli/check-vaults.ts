import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Caller, OWN } from '@vaultplane/backends/backend.ts';
import { Backends } from '@vaultplane/backends/backends.ts';
import { Proxies } from '@vaultplane/backends/proxies/proxies.ts';
import { notePlace, proxyFinding } from '@vaultplane/backends/proxies/proxy-finding.ts';
import { settingResolver } from '@vaultplane/backends/setting-values/setting-references.ts';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { prefixesWithCredentials, prefixesWithheld } from '@vaultplane/model/snapshots/sealed-snapshot.ts';
import { DEFAULT_POLICY, UpstreamPolicy } from '@vaultplane/model/upstream-policy/policy.ts';
import { accessOf } from '@vaultplane/model/vaults/address.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { CREDENTIAL_ADVICE } from '@vaultplane/model/vaults/sensitive.ts';
import { fleetDefaultsOf, vaultSettingKey } from '@vaultplane/model/vaults/vault-settings.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { doubtsOf, type VaultType, withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { shownPath, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import { backendContextOf } from '../backend-context.ts';
import { plainDestinationsOf } from '../cache/plain-destinations.ts';
import { type Vault, VaultDirectory } from '../cache/vault-directory.ts';
import { SNAPSHOT_FILE_NAME } from '../config-sync/configuration.ts';
import { readSnapshotFile, type SavedConfiguration } from '../config-sync/snapshot-file.ts';
import { type DataPlaneSettings, diskKeyring, fallbackOf } from '../settings.ts';
import { readPolicy } from '../upstream-policy.ts';
import type { Finding } from './finding.ts';

interface CheckOptions {
  env: NodeJS.ProcessEnv;
  log: Log;
}

/**
 * Which credentials win and whose they are, and whether every vault that this data plane knows of answers: those of the
 * settings and those of the last configuration on disk. Reads no secret: it asks for one that can't be there.
 */
export async function checkVaults(settings: DataPlaneSettings, options: CheckOptions): Promise<Finding[]> {
  const { finding, saved } = await readConfiguration(settings);
  const policy = policyOf(settings);
  const directory = new VaultDirectory(settings, policy);
  directory.configure(saved?.snapshot ?? null, saved?.defaults ?? {});
  const refused = new Set(directory.rejected.map(({ prefix }) => prefix));
  const vaults = [...directory.all()].filter(
    ({ origin, prefix, type }) => !refused.has(prefix) && (origin === 'pushed' || isMeant(type, settings)),
  );

  const lookUpCredential = (reference: string) => {
    const known = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
    return settingResolver({ settings: { ...fleetDefaultsOf(saved?.defaults ?? {}), ...known }, ...options, backends })(
      reference,
    );
  };
  const proxies = new Proxies(options.env);
  const context = { ...backendContextOf(settings, options), upstreamPolicy: () => policy, proxies };
  const backends = new Backends(context, { lookUpCredential });
  try {
    const withCredentials = [...VAULT_TYPES.values()].filter(({ credentials }) => credentials !== undefined);
    const needed = withCredentials.filter((type) => vaults.some((vault) => vault.type === type && !hasOwn(vault)));
    // Of a cloud that no vault is in nobody wants to hear, unless there is none yet.
    const credentials = (vaults.length > 0 ? needed : withCredentials).map((type) =>
      checkCredentials(backends, type, needed.includes(type)),
    );
    const withheld = prefixesWithheld(saved?.snapshot ?? { vaults: [] });
    const asked = vaults.filter(({ prefix }) => !withheld.includes(prefix));
    // Vaults that are asked in one way are one place to ask.
    const looks = new Map<string, Promise<Look>>();
    for (const vault of asked) {
      const access = waysOf(vault);
      if (!looks.has(access)) looks.set(access, lookAt(backends, vault));
    }
    const plain = vaults.flatMap((vault) =>
      plainDestinationsOf(vault).map((server) => ({
        what: `vault ${vault.prefix}`,
        ok: true,
        says: `WARNING: asks ${shownUrl(server)} over plain http: its credentials and secrets cross the network readable`,
      })),
    );
    const doubtful = vaults.flatMap(({ prefix, type, config }) =>
      doubtsOf(type, config, options.env).map((doubt) => ({
        what: `vault ${prefix}`,
        ok: true,
        says: `WARNING: ${doubt}`,
      })),
    );
    const findings = asked.map(async (vault) => {
      const look = await looks.get(waysOf(vault))!;
      return findingOf(vault, look);
    });
    const rejected = directory.rejected.map(({ prefix, reason, grant }) => {
      const hint = grant === undefined ? '' : `; what would let it, among the grants of upstream_policy: ${grant}`;
      return { what: `vault ${prefix}`, ok: false, says: `is not used: ${reason}${hint}`, facts: { prefix, grant } };
    });
    const looked = [...(await Promise.all(credentials)), ...(await Promise.all(findings))];
    notePlace(proxies, fallbackOf(settings), options.env);
    return [
      finding,
      ...looked,
      ...[proxyFinding(proxies) ?? []].flat(),
      ...credentialFindings(saved, withheld),
      ...plain,
      ...doubtful,
      ...rejected,
    ];
  } finally {
    backends.stop();
  }
}

/**
 * A policy that can't be used is told of by itself. It may have said less than what holds without one, so that nothing of
 * the node's own leaves for vaults of the control plane then.
 */
function policyOf(settings: DataPlaneSettings): UpstreamPolicy {
  try {
    return readPolicy(settings)?.policy ?? DEFAULT_POLICY;
  } catch {
    return new UpstreamPolicy({ defaults: false, roles: [], grants: [] });
  }
}

/** Equal for vaults that are asked in one way, on the same word. */
function waysOf({ origin, type, config }: Vault): string {
  return origin + accessOf(type, config);
}

/** Vaults that have credentials in their configuration, and those that lack them on this disk. */
function credentialFindings(saved: SavedConfiguration | undefined, withheld: readonly string[]): Finding[] {
  const literal = saved ? prefixesWithCredentials(saved.snapshot) : [];
  const advice = [...literal, ...withheld].map((prefix) => [`credentials of vault ${prefix}`, CREDENTIAL_ADVICE]);
  const missing = withheld.map((prefix) => [
    `vault ${prefix}`,
    'not asked: its credentials are not on this disk (secrets_key_file keeps them there, sealed); a control plane gives them',
  ]);
  return [...missing, ...advice].map(([what, says]) => ({ what: what!, ok: true, says: says! }));
}

/** Whether a vault has credentials of its own, so that it needs none of its surroundings. */
function hasOwn({ type, config }: Vault): boolean {
  return type.fields.some(({ name, sensitive }) => sensitive && config[name] !== undefined);
}

/** Whether settings say where the vault by the type's name is, or how to get in: lifetimes alone mean nothing by it. */
function isMeant(type: VaultType, settings: DataPlaneSettings): boolean {
  return type.fields.some(
    (field) => (field.identity || field.sensitive) && settings[vaultSettingKey(type, field)] !== undefined,
  );
}

/** The configuration that was last stored on this machine, and what there is to say of it. */
export async function readConfiguration(
  settings: DataPlaneSettings,
): Promise<{ finding: Finding; saved: SavedConfiguration | undefined }> {
  const what = 'configuration';
  const path = join(settings.data_dir, SNAPSHOT_FILE_NAME);
  try {
    const saved = await readSnapshotFile(path, diskKeyring(settings));
    const says = saved
      ? `version ${saved.snapshot.version} in ${shownPath(path)}, ${saved.snapshot.vaults.length} vaults`
      : `none in ${shownPath(path)} yet; a control plane has to give it`;
    return { finding: { what, ok: true, says }, saved };
  } catch (error) {
    // No reason not to start: it is set aside then.
    return {
      finding: { what, ok: true, says: `${shownPath(path)} can't be used: ${errorMessage(error)}` },
      saved: undefined,
    };
  }
}

async function checkCredentials(backends: Backends, type: VaultType, needed: boolean): Promise<Finding> {
  const what = type.credentials!;
  try {
    const caller = await backends.caller(type.name, withDefaults(type, {}), OWN);
    if (!caller) return { what, ok: true, says: 'whose they are, the vault does not tell' };
    return { what, ok: true, says: describeCaller(caller), facts: { ...caller } };
  } catch (error) {
    if (needed) return { what, ok: false, says: errorMessage(error) };
    return { what, ok: true, says: `none, and no vault here needs them (${errorMessage(error)})` };
  }
}

interface Look {
  /** Where it asks, and where its region is from. */
  where: string;
  caller: Caller | undefined;
  /** Why it does not answer. */
  problem: string | undefined;
}

async function lookAt(backends: Backends, { type, config, regionFrom, origin }: Vault): Promise<Look> {
  let where = `a vault of type ${type.name}`;
  try {
    const opening = { origin, regionFrom };
    const backend = await backends.open(type.name, config, opening);
    where = backend.description;
    const [answer, caller] = await Promise.all([
      problemOf(backend.fetch(nothing(type, config), new AbortController().signal)),
      // Who asks is good to know, but STS may be out of reach where Secrets Manager is not.
      backends.caller(type.name, config, opening).catch((error: unknown) => error as Error),
    ]);
    if (!(caller instanceof Error)) return { where, caller, problem: answer };
    // Anybody may ask who they are: what is denied is the role.
    const isRoleDenied = caller instanceof BackendError && caller.code === 'access_denied';
    return { where, caller: undefined, problem: isRoleDenied ? caller.message : answer };
  } catch (error) {
    return { where, caller: undefined, problem: errorMessage(error) };
  }
}

/** A secret that is not there. */
function nothing(type: VaultType, config: VaultConfig): SecretQuery {
  const path = `vaultplane-check-${randomUUID()}`;
  return { path, version: type.versionOf({ vault: type.name, path }, config) };
}

/** An answer about the secret, be it that it is missing or denied, is one from the vault. */
async function problemOf(fetching: Promise<unknown>): Promise<string | undefined> {
  try {
    await fetching;
  } catch (error) {
    if (!(error instanceof BackendError) || error.code === 'unavailable') return errorMessage(error);
  }
  return undefined;
}

function findingOf({ prefix, type, config, regionFrom }: Vault, { where, caller, problem }: Look): Finding {
  const as = caller === undefined ? '' : `, as ${describeCaller(caller)}`;
  return {
    what: `vault ${prefix}`,
    ok: problem === undefined,
    says: problem === undefined ? `${where} answers${as}` : `${where} does not answer${as}: ${problem}`,
    facts: {
      prefix,
      type: type.name,
      region: config.region ?? null,
      region_from: regionFrom ?? null,
      caller: caller ?? null,
    },
  };
}

function describeCaller({ source, account, accountKind, arn }: Caller): string {
  return `${arn}, ${accountKind ?? 'account'} ${account}, with credentials from ${source}`;
}
