import type { Database } from '../store/database.ts';
import { jsonbOf } from '../store/jsonb.ts';
import type { DataPlane } from './fleet.ts';

/** Writes all that is known of some data planes, whether they have rows or not. */
export async function writeRows(database: Database, dataPlanes: readonly DataPlane[]): Promise<void> {
  await database.query(UPSERT, [jsonbOf(dataPlanes)]);
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
  await database.query(UPDATE_POSITIONS, [JSON.stringify([...groups.values()]), controlPlaneId]);
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
    connected = excluded.connected, connected_at = excluded.connected_at, last_seen = excluded.last_seen
  where excluded.connected or excluded.control_plane_id = old.control_plane_id or not old.connected`;

const UPDATE_POSITIONS = `
  update data_planes set config_timeline = new.timeline, config_version = new.version, config_hash = new.hash,
    sync_status = 'normal', last_seen = to_timestamp(new.last_seen)
  from (select (moved ->> 0)::uuid as timeline, (moved ->> 1)::bigint as version, moved ->> 2 as hash,
          (moved ->> 3)::bigint as last_seen, id::uuid
        from jsonb_array_elements($1::jsonb) as moved, jsonb_array_elements_text(moved -> 4) as id) as new
  where data_planes.id = new.id and control_plane_id = $2`;
