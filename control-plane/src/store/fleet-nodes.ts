import { UUID } from '@vaultplane/model/vaults/validation.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type Actor, insertAuditRequest, type WriteRequest } from './audit-log.ts';
import { positionOf } from './config-state.ts';
import type { Database, Queryable } from './database.ts';

/** On it control planes tell each other about links: questions, answers, and links that are to end. */
export const LINKS_CHANNEL = 'vaultplane_links';
/** Only the control plane that has this lock deletes what is old. Any number that nobody else on the database takes. */
const PURGE_LOCK = 7_228_105_431;
/** Rows of data planes that are kept at most; those that were not seen for longest go first. */
const MAX_ROWS = 20_000;

/** The certificate of a link, as far as it says whose it is. */
export interface CertificateIdentity {
  /** Empty where there is not exactly one. */
  commonName: string;
  /** SHA-256, hexadecimal. */
  publicKey: string;
}

/** A node: one that has joined (`enrolled`), or a data plane that was linked, or both. */
export interface FleetNode {
  id: string;
  name: string | null;
  labels: Record<string, string>;
  /** It has joined, and so has a certificate of the cluster's own CA. */
  enrolled: boolean;
  hostname: string | null;
  /** Under `pki`: of the certificate that its id belongs to. */
  common_name: string | null;
  connected: boolean;
  last_seen: Date | null;
  joined_at: Date | null;
  revoked_at: Date | null;
  certificate_expires_at: Date | null;
}

type Table = 'nodes' | 'data_planes' | 'data_plane_identities';
const OF_A_DATA_PLANE: readonly Table[] = ['data_planes', 'data_plane_identities'];

const LOST_AFTER = "interval '90 seconds'";
const NODES = `select coalesce(nodes.id, data_planes.id) as id, nodes.name, coalesce(nodes.labels, data_planes.labels) as labels,
    nodes.id is not null as enrolled, hostname, nullif(common_name, '') as common_name,
    coalesce(connected and written_at > now() - ${LOST_AFTER}, false) as connected, last_seen, joined_at, revoked_at,
    coalesce(expires_at, cert_expires_at) as certificate_expires_at
  from nodes full join data_planes on data_planes.id = nodes.id
    left join data_plane_identities on node_id = data_planes.id
    left join node_certificates on serial = newest_serial`;

/** What an operator does with the nodes of the fleet, whichever way they show who they are. */
export class FleetNodes {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** In order of id. */
  list(): Promise<FleetNode[]> {
    return this.#database.query<FleetNode>(`${NODES} order by 1`);
  }

  async find(id: string): Promise<FleetNode | undefined> {
    if (!UUID.test(id)) return undefined;
    const [node] = await this.#database.query<FleetNode>(`${NODES} where coalesce(nodes.id, data_planes.id) = $1`, [
      id,
    ]);
    return node;
  }

  /** @returns whether there is such a node that has joined */
  async rename(id: string, name: string | null, actor: Actor, request: WriteRequest): Promise<boolean> {
    return this.#change(id, actor, request, async (transaction) => {
      const renamed = await transaction.query('update nodes set name = $2 where id = $1 returning id', [id, name]);
      return renamed.length > 0;
    });
  }

  /** Its links end on every control plane, and it gets none again. @returns whether there is such a node that has joined */
  async revoke(id: string, actor: Actor, request: WriteRequest): Promise<boolean> {
    return this.#change(id, actor, request, async (transaction) => {
      const revoked = await transaction.query(
        'update nodes set revoked_at = coalesce(revoked_at, now()) where id = $1 returning id',
        [id],
      );
      if (revoked.length > 0) await endLinks(transaction, id, 'revoked', 'this node has been revoked');
      return revoked.length > 0;
    });
  }

  /**
   * Forgets a node: its links end, its row goes, and under `pki` its id is free for another certificate. One that has
   * joined is refused from then on. A data plane that is still let in comes back as a new one.
   *
   * @returns whether there was one
   */
  remove(id: string, actor: Actor, request: WriteRequest): Promise<boolean> {
    return this.#remove(id, actor, request, ['nodes', ...OF_A_DATA_PLANE]);
  }

  /** Forgets what a data plane said, and whose certificate its id belongs to; not that it has joined. */
  removeDataPlane(id: string, actor: Actor, request: WriteRequest): Promise<boolean> {
    return this.#remove(id, actor, request, OF_A_DATA_PLANE);
  }

  #remove(id: string, actor: Actor, request: WriteRequest, tables: readonly Table[]): Promise<boolean> {
    return this.#change(id, actor, request, async (transaction) => {
      let gone = 0;
      for (const table of tables) {
        const column = table === 'data_plane_identities' ? 'node_id' : 'id';
        gone += (await transaction.query(`delete from ${table} where ${column} = $1 returning 1`, [id])).length;
      }
      if (gone > 0) await endLinks(transaction, id, 'removed', 'this node has been removed');
      return gone > 0;
    });
  }

  /**
   * Notes under `pki` that an id belongs to a certificate, unless it belongs to another one. A renewed certificate is the
   * same where its key is, or its common name.
   *
   * @returns whether the id is the certificate's; in one statement, so that of two only one can have come first
   */
  async claim(id: string, { commonName, publicKey }: CertificateIdentity): Promise<boolean> {
    const rows = await this.#database.query(
      `insert into data_plane_identities as known (node_id, common_name, public_key) values ($1, $2, $3)
       on conflict (node_id) do update set common_name = $2, public_key = $3
         where known.public_key = $3 or (known.common_name = $2 and $2 <> '')
       returning node_id`,
      [id, commonName, publicKey],
    );
    return rows.length > 0;
  }

  /** Of nodes that have joined, those that are revoked or removed. */
  async ended(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const rows = await this.#database.query<{ id: string }>(
      `select id from unnest(string_to_array($1, ',')::uuid[]) as linked(id)
       where not exists (select from nodes where nodes.id = linked.id and revoked_at is null)`,
      [ids.join()],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Deletes data planes that nobody has seen for so long, and the oldest of too many, by the database's clock; one control
   * plane at a time.
   */
  async purge(delaySeconds: number): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      const [lock] = await transaction.query<{ mine: boolean }>('select pg_try_advisory_xact_lock($1) as mine', [
        PURGE_LOCK,
      ]);
      if (!lock!.mine) return;
      await transaction.query(
        `with gone as (
           delete from data_planes where written_at < now() - make_interval(secs => $1::double precision)
             or id in (select id from data_planes where not connected order by written_at desc offset ${MAX_ROWS})
           returning id)
         delete from data_plane_identities where node_id in (select id from gone)`,
        [delaySeconds],
      );
      // Of ids that were claimed by links which were not let in then.
      await transaction.query(
        `delete from data_plane_identities where first_seen < now() - interval '10 minutes'
           and not exists (select from data_planes where id = node_id)`,
      );
    });
  }

  async #change(
    id: string,
    actor: Actor,
    request: WriteRequest,
    work: (transaction: Queryable) => Promise<boolean>,
  ): Promise<boolean> {
    if (!UUID.test(id)) return false;
    return this.#database.transaction(async (transaction) => {
      const changed = await work(transaction);
      if (!changed) return false;
      const { version } = await positionOf(transaction);
      await insertAuditRequest(transaction, this.#clock.now(), actor, request, version, version);
      return true;
    });
  }
}

/** Every control plane ends the links of a node. Without this, a poll of theirs does. */
async function endLinks(transaction: Queryable, id: string, code: string, reason: string): Promise<void> {
  await transaction.query(`select pg_notify('${LINKS_CHANNEL}', $1)`, [
    JSON.stringify({ type: 'end', key: nodeKey(id), code, reason }),
  ]);
}

/** The key of a link by which its node is known. */
export function nodeKey(id: string): string {
  return `node:${id}`;
}

export function isNodeName(name: unknown): name is string | null {
  return name === null || (typeof name === 'string' && /^[^\p{C}]{1,100}$/u.test(name));
}
