import type { Database } from '../store/database.ts';
import { jsonbOf } from '../store/jsonb.ts';
import type { DataPlane } from './data-plane-facts.ts';

/** Data planes at one position, seen in one second, are a statement; of more such groups the rows are written. */
const MOST_GROUPS = 10;

/** A statement has about this many characters of rows at most: what data planes tell may be long. */
const MAX_STATEMENT_CHARACTERS = 4 * 1024 * 1024;

/** Writes all that is known of some data planes, whether they have rows or not. */
export async function writeRows(database: Database, dataPlanes: readonly DataPlane[]): Promise<void> {
  let rows: string[] = [];
  let characters = 0;
  for (const [index, dataPlane] of dataPlanes.entries()) {
    const row = jsonbOf(dataPlane);
    rows.push(row);
    characters += row.length;
    if (characters < MAX_STATEMENT_CHARACTERS && index < dataPlanes.length - 1) continue;
    await database.query(UPSERT, [`[${rows.join()}]`]);
    rows = [];
    characters = 0;
  }
}

/**
 * Writes of data planes that have rows, and are connected here, which configuration they have acknowledged last: after a
 * change it is the same one for all of them, and costs half of what their rows would.
 */
export async function writePositions(
  database: Database,
  controlPlaneId: string,
  dataPlanes: readonly DataPlane[],
): Promise<void> {
  const groups = new Map<string, [...ReturnType<typeof positionOf>, ids: string[]]>();
  for (const dataPlane of dataPlanes) {
    const position = positionOf(dataPlane);
    const key = position.join();
    const group = groups.get(key);
    if (group) group[4].push(dataPlane.id);
    else groups.set(key, [...position, [dataPlane.id]]);
  }
  if (groups.size > MOST_GROUPS) return writeRows(database, dataPlanes);
  for (const [timeline, version, hash, lastSeen, ids] of groups.values()) {
    await database.query(UPDATE_POSITIONS, [timeline, version, hash, lastSeen, ids.join(), controlPlaneId]);
  }
}

function positionOf(dataPlane: DataPlane) {
  const { config_timeline, config_version, config_hash, last_seen } = dataPlane;
  return [config_timeline, config_version, config_hash, last_seen] as const;
}

// A row that says a data plane has gone does not undo that it has meanwhile come to another control plane.
const UPSERT = `
  insert into data_planes as old (id, hostname, ip, version, protocol, labels, config_timeline, config_version,
    config_hash, sync_status, reference_counts, vault_counts, rejected_vaults, cert_expires_at, control_plane_id,
    connected, connected_at, last_seen)
  select id, hostname, ip, version, protocol, labels, config_timeline, config_version, config_hash, sync_status,
    "references", vaults, rejected_vaults, to_timestamp(cert_expires_at), control_plane_id, connected,
    to_timestamp(connected_at), to_timestamp(last_seen)
  from jsonb_to_recordset($1::jsonb) as new (id uuid, hostname text, ip text, version text, protocol integer,
    labels jsonb, config_timeline uuid, config_version bigint, config_hash text, sync_status text, "references" jsonb,
    vaults jsonb, rejected_vaults jsonb, cert_expires_at bigint, control_plane_id uuid, connected boolean, connected_at bigint,
    last_seen bigint)
  on conflict (id) do update set
    hostname = excluded.hostname, ip = excluded.ip, version = excluded.version, protocol = excluded.protocol,
    labels = excluded.labels, config_timeline = excluded.config_timeline, config_version = excluded.config_version,
    config_hash = excluded.config_hash, sync_status = excluded.sync_status,
    reference_counts = excluded.reference_counts, vault_counts = excluded.vault_counts,
    rejected_vaults = excluded.rejected_vaults,
    cert_expires_at = excluded.cert_expires_at, control_plane_id = excluded.control_plane_id,
    connected = excluded.connected, connected_at = excluded.connected_at, last_seen = excluded.last_seen, written_at = now()
  where excluded.connected or excluded.control_plane_id = old.control_plane_id or not old.connected`;

// No join, which a planner without statistics may make a loop in a loop.
const UPDATE_POSITIONS = `
  update data_planes set config_timeline = $1, config_version = $2, config_hash = $3, sync_status = 'normal',
    last_seen = to_timestamp($4), written_at = now()
  where id = any(string_to_array($5, ',')::uuid[]) and control_plane_id = $6`;
