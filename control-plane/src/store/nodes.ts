import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { insertAuditRequest, type WriteRequest } from './audit-log.ts';
import { positionOf } from './config-state.ts';
import { type Database, DatabaseUnavailable, type Queryable } from './database.ts';
import { useInvitation } from './invitations.ts';
import { jsonbOf } from './jsonb.ts';

/** A data plane that has joined, as whoever accepts its certificate needs to know it. */
export interface EnrolledNode {
  id: string;
  name: string | null;
  labels: Record<string, string>;
}

/** A certificate that the CA has made for a node. */
export interface IssuedCertificate {
  /** Hexadecimal, lower case. */
  serial: string;
  /** SHA-256 of the public key, hexadecimal. */
  publicKey: string;
  /** PEM. */
  certificate: string;
  expiresAt: Date;
}

/** How a serial stands. */
export interface CertificateRecord {
  node: EnrolledNode;
  serial: string;
  revoked: boolean;
  /** The serial of the node's newest certificate. */
  newest: string;
  /** It is the newest, or the one before while no link has been opened with the newest: that may never have arrived. */
  accepted: boolean;
  /** A link has been opened with it. */
  used: boolean;
}

/** What has come of a join. */
export type JoinOutcome =
  | { outcome: 'joined' | 'repeated'; node: EnrolledNode; certificate: string }
  /** The invitation has no use left, or has ended meanwhile. */
  | { outcome: 'refused' };

interface RecordRow {
  id: string;
  name: string | null;
  labels: Record<string, string>;
  serial: string;
  revoked: boolean;
  newest: string;
  accepted: boolean;
  used: boolean;
}

const RECORD = `select nodes.id, nodes.name, nodes.labels, mine.serial, nodes.revoked_at is not null as revoked,
    nodes.newest_serial as newest,
    mine.serial = newest.serial or (newest.first_used_at is null and newest.renewed_from = mine.serial) as accepted,
    mine.first_used_at is not null as used
  from node_certificates mine join nodes on nodes.id = mine.node_id
    join node_certificates newest on newest.serial = nodes.newest_serial`;

/** Data planes that have joined (`cluster_mtls = enrolled`), and the certificates that were made for them. */
export class Nodes {
  readonly #database: Database;
  readonly #clock: Clock;
  /** By serial: how it stood when the database was last asked, for as long as the database can't be asked. */
  readonly #remembered = new Map<string, CertificateRecord>();

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Reads what is accepted now, so that nodes are known also if the database goes away before they come. */
  async remember(): Promise<void> {
    const rows = await this.#database.query<RecordRow>(RECORD);
    this.#remembered.clear();
    for (const row of rows) this.#remembered.set(row.serial, recordOf(row));
  }

  /**
   * The record of a certificate's serial; undefined where there is none. The database is asked every time, so that a
   * revocation holds at once. Only while it is away a serial is taken as it was known last.
   *
   * @throws DatabaseUnavailable for a serial that was not known before
   */
  async ofCertificate(serial: string): Promise<CertificateRecord | undefined> {
    try {
      const [row] = await this.#database.query<RecordRow>(`${RECORD} where mine.serial = $1`, [serial]);
      const record = row && recordOf(row);
      if (record) this.#remembered.set(serial, record);
      else this.#remembered.delete(serial);
      return record;
    } catch (error) {
      const remembered = this.#remembered.get(serial);
      if (error instanceof DatabaseUnavailable && remembered) return remembered;
      throw error;
    }
  }

  /** Whether there is a node of this id, revoked or not. @throws DatabaseUnavailable */
  async has(id: string): Promise<boolean> {
    const [row] = await this.#database.query<{ there: boolean }>(
      'select exists (select from nodes where id = $1) as there',
      [id],
    );
    return row!.there;
  }

  /** A link was opened with it: from now on what it has replaced is refused. */
  async noteUse(serial: string): Promise<void> {
    await this.#database.query(
      'update node_certificates set first_used_at = now() where serial = $1 and first_used_at is null',
      [serial],
    );
  }

  /** The certificate that a node got for a key by an invitation before; undefined where it got none. */
  async joinedBefore(invitationId: string, publicKey: string): Promise<JoinOutcome | undefined> {
    return joinedBefore(this.#database, invitationId, publicKey);
  }

  /** Makes a node, or gives the answer that it got for the same key before, which counts no use of the invitation. */
  async join(
    invitation: { id: string; name: string | null; labels: Record<string, string> },
    nodeId: string,
    certificate: IssuedCertificate,
    { remoteAddress }: { remoteAddress: string | null },
  ): Promise<JoinOutcome> {
    return this.#database.transaction(async (transaction) => {
      // Whoever joins by the same invitation at the same time waits here.
      await transaction.query('select id from invitations where id = $1 for update', [invitation.id]);
      const before = await joinedBefore(transaction, invitation.id, certificate.publicKey);
      if (before) return before;
      if (!(await useInvitation(transaction, invitation.id))) return { outcome: 'refused' };
      const { id: invitationId, name, labels } = invitation;
      await transaction.query(
        'insert into nodes (id, name, labels, invitation_id, newest_serial) values ($1, $2, $3::jsonb, $4, $5)',
        [nodeId, name, jsonbOf(labels), invitationId, certificate.serial],
      );
      await insertCertificate(transaction, nodeId, certificate, null);
      await this.#audit(transaction, `invitation ${invitationId}`, remoteAddress, {
        method: 'POST',
        path: `/v1/join/${nodeId}`,
        status: 200,
      });
      return { outcome: 'joined', node: { id: nodeId, name, labels }, certificate: certificate.certificate };
    });
  }

  /**
   * Gives a node a new certificate in place of one that is its newest. A repeated request for the same key gets the
   * answer that it got before, since that may have been lost.
   *
   * @returns PEM; undefined where `from` is not the newest any more, or the node is revoked or gone
   */
  async renew(
    from: string,
    certificate: IssuedCertificate,
    { remoteAddress }: { remoteAddress: string | null },
  ): Promise<string | undefined> {
    return this.#database.transaction(async (transaction) => {
      const [node] = await transaction.query<{ id: string; newest: string }>(
        `select id, newest_serial as newest from nodes
         where id = (select node_id from node_certificates where serial = $1) and revoked_at is null for update`,
        [from],
      );
      if (!node) return undefined;
      if (node.newest !== from) {
        const [before] = await transaction.query<{ certificate: string }>(
          'select certificate from node_certificates where serial = $1 and renewed_from = $2 and public_key = $3',
          [node.newest, from, certificate.publicKey],
        );
        return before?.certificate;
      }
      await insertCertificate(transaction, node.id, certificate, from);
      await transaction.query('update nodes set newest_serial = $2 where id = $1', [node.id, certificate.serial]);
      await this.#audit(transaction, `node ${node.id}`, remoteAddress, {
        method: 'POST',
        path: `/v1/renew/${node.id}`,
        status: 200,
      });
      return certificate.certificate;
    });
  }

  /** Deletes nodes that can't come back: their newest certificate ended longer ago than it may be renewed. */
  async prune(graceSeconds: number): Promise<number> {
    const gone = await this.#database.query(
      `delete from nodes using node_certificates newest where newest.serial = nodes.newest_serial
         and newest.expires_at < now() - make_interval(secs => $1::double precision) - interval '1 day'
       returning nodes.id`,
      [graceSeconds],
    );
    // Of a node's replaced certificates only the last one can still be asked about.
    await this.#database.query(
      `delete from node_certificates old using nodes, node_certificates newest
       where nodes.id = old.node_id and newest.serial = nodes.newest_serial
         and old.serial <> newest.serial and old.serial is distinct from newest.renewed_from`,
    );
    return gone.length;
  }

  async #audit(
    transaction: Queryable,
    name: string,
    remoteAddress: string | null,
    request: WriteRequest,
  ): Promise<void> {
    const { version } = await positionOf(transaction);
    const caller = { name, role: null, remoteAddress };
    await insertAuditRequest(transaction, this.#clock.now(), caller, request, version, version);
  }
}

function recordOf({ id, name, labels, ...record }: RecordRow): CertificateRecord {
  return { node: { id, name, labels }, ...record };
}

/** An answer that still stands: the certificate is the node's newest, and good. */
async function joinedBefore(
  database: Queryable,
  invitationId: string,
  publicKey: string,
): Promise<JoinOutcome | undefined> {
  const [row] = await database.query<EnrolledNode & { certificate: string }>(
    `select nodes.id, nodes.name, nodes.labels, certificate
     from node_certificates join nodes on nodes.id = node_id
     where public_key = $2 and invitation_id = $1 and serial = newest_serial and revoked_at is null
       and expires_at > now()`,
    [invitationId, publicKey],
  );
  if (!row) return undefined;
  const { certificate, ...node } = row;
  return { outcome: 'repeated', node, certificate };
}

async function insertCertificate(
  transaction: Queryable,
  nodeId: string,
  { serial, publicKey, certificate, expiresAt }: IssuedCertificate,
  renewedFrom: string | null,
): Promise<void> {
  await transaction.query(
    `insert into node_certificates (serial, node_id, renewed_from, public_key, certificate, expires_at)
     values ($1, $2, $3, $4, $5, $6)`,
    [serial, nodeId, renewedFrom, publicKey, certificate, expiresAt],
  );
}
