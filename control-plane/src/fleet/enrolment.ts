import { randomUUID, type X509Certificate } from 'node:crypto';
import {
  type Enrolled,
  type EnrolmentRefusal,
  parseJoinToken,
  printJoinToken,
} from '@vaultplane/model/protocol/enrolment.ts';
import { signs, usageProblem, validityProblem } from '@vaultplane/platform/crypto/certificate-chain.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { FailedTries } from '../admin-api/failed-tries.ts';
import type { Actor, WriteRequest } from '../store/audit-log.ts';
import { DatabaseUnavailable } from '../store/database.ts';
import type { Invitation, InvitationState, Invitations, NewInvitation } from '../store/invitations.ts';
import type { CertificateRecord, EnrolledNode, Nodes } from '../store/nodes.ts';
import { type CertificateAuthority, certifiableKey, hashOfKey } from './certificate-authority.ts';
import { GuessBrake } from './guess-brake.ts';

export interface EnrolmentOptions {
  authority: CertificateAuthority;
  invitations: Invitations;
  nodes: Nodes;
  /** For which a node's certificate is good. */
  certificateSeconds: number;
  /** For which one that has ended may still be renewed. */
  graceSeconds: number;
  clock: Clock;
  log: Log;
}

/** An invitation with its token, which is shown this once. */
export interface MadeInvitation extends Invitation {
  token: string;
}

/** No certificate is made, or a link not accepted; the message is for whoever runs the node. */
export class EnrolmentRefused extends Error {
  override readonly name = 'EnrolmentRefused';
  readonly code: EnrolmentRefusal;
  readonly status: number;

  constructor(code: EnrolmentRefusal, message: string, status = 403) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** How long nodes that can't come back, and invitations that ended, stay listed before they are looked for again. */
const PRUNE_EVERY_MS = 3_600_000;

const NOT_GOOD: Readonly<Record<Exclude<InvitationState, 'good'>, string>> = {
  used_up: 'the invitation has been used as often as it may be',
  expired: 'the invitation has expired',
  revoked: 'the invitation is revoked',
};
const ANOTHER = '; `vaultplane-cp node invite` makes another';

/** Gives data planes their certificates, and says whose certificate is accepted (`cluster_mtls = enrolled`). */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #guesses: GuessBrake;
  /** By node: each renewal makes rows, and whoever has taken over a node is not to fill the database with them. */
  readonly #renewals: FailedTries;
  #cancelPrune: () => void = () => {};

  constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.#guesses = new GuessBrake(options.clock);
    this.#renewals = new FailedTries(options.clock);
  }

  /** Prunes now and then until it is stopped. */
  static async start(options: EnrolmentOptions): Promise<Enrolment> {
    const enrolment = new Enrolment(options);
    await options.nodes.remember();
    enrolment.#pruneLater();
    return enrolment;
  }

  stop(): void {
    this.#cancelPrune();
  }

  async invite(wanted: NewInvitation, actor: Actor, request: WriteRequest): Promise<MadeInvitation> {
    const { invitation, secret } = await this.#options.invitations.create(wanted, actor, request);
    return { ...invitation, token: printJoinToken({ id: invitation.id, secret, pin: this.#options.authority.pin }) };
  }

  /**
   * Gives a new node its first certificate. The same key gets the same answer again, and uses the invitation once.
   *
   * @param csr PKCS #10, DER; names in it are ignored
   * @throws EnrolmentRefused
   */
  async join(token: string, csr: Buffer, remoteAddress: string | null): Promise<Enrolled> {
    const { authority, nodes, certificateSeconds, clock, log } = this.#options;
    const invitation = await this.#invitationOf(token, remoteAddress);
    if (invitation.state === 'revoked') throw new EnrolmentRefused('revoked', NOT_GOOD.revoked + ANOTHER);
    const publicKey = await keyOf(csr);
    // A node whose answer was lost gets it again, also by an invitation that its own join has used up.
    let result = await nodes.joinedBefore(invitation.id, hashOfKey(publicKey));
    if (!result) {
      if (invitation.state !== 'good') {
        throw new EnrolmentRefused(invitation.state, NOT_GOOD[invitation.state] + ANOTHER);
      }
      const nodeId = randomUUID();
      const issued = await authority.issueNode(nodeId, publicKey, clock.now(), certificateSeconds * 1000);
      result = await nodes.join(invitation, nodeId, issued, { remoteAddress });
    }
    if (result.outcome === 'refused') throw new EnrolmentRefused('used_up', NOT_GOOD.used_up + ANOTHER);
    const { node, certificate } = result;
    log.info(
      {
        node_id: node.id,
        name: node.name,
        invitation: invitation.id,
        ip: remoteAddress,
        repeated: result.outcome === 'repeated',
      },
      'a data plane joined',
    );
    return this.#enrolled(node, certificate);
  }

  /**
   * Gives a node another certificate in place of the one that it shows.
   *
   * @param certificate whose key the sender has: the TLS handshake has proven that, and nothing else about it
   * @throws EnrolmentRefused
   */
  async renew(certificate: X509Certificate | undefined, csr: Buffer, remoteAddress: string | null): Promise<Enrolled> {
    const { authority, nodes, certificateSeconds, clock, log } = this.#options;
    const { node, serial } = await this.#recordOf(certificate, this.#options.graceSeconds);
    const waitSeconds = this.#renewals.waitSeconds(node.id);
    if (waitSeconds > 0) {
      const message = `this data plane renews its certificate too often; try again in ${waitSeconds} s`;
      throw new EnrolmentRefused('slow_down', message, 429);
    }
    this.#renewals.failed(node.id);
    const publicKey = await keyOf(csr);
    const issued = await authority.issueNode(node.id, publicKey, clock.now(), certificateSeconds * 1000);
    const renewed = await nodes.renew(serial, issued, { remoteAddress });
    if (renewed === undefined) {
      throw new EnrolmentRefused('not_newest', 'this certificate has been replaced by a newer one of the same node');
    }
    log.info({ node_id: node.id, ip: remoteAddress }, 'the certificate of a data plane is renewed');
    return this.#enrolled(node, renewed);
  }

  /** Whose link it is. @throws EnrolmentRefused, DatabaseUnavailable */
  async admit(certificate: X509Certificate | undefined): Promise<EnrolledNode> {
    const record = await this.#recordOf(certificate, 0);
    if (!record.accepted) {
      throw new EnrolmentRefused('not_newest', 'this certificate has been replaced by a newer one of the same node');
    }
    if (!record.used) {
      // Where that can't be written now, the next link does.
      await this.#options.nodes.noteUse(record.serial).catch((error) => {
        if (!(error instanceof DatabaseUnavailable)) throw error;
      });
    }
    return record.node;
  }

  /** Whether an id is that of a node which has joined. @throws DatabaseUnavailable */
  isEnrolled(nodeId: string): Promise<boolean> {
    return this.#options.nodes.has(nodeId);
  }

  /**
   * Everything about a certificate is verified here, and nothing is taken from what the TLS library says of it: its codes
   * name one problem of several (Node.js says CERT_HAS_EXPIRED also for an ended certificate of a foreign CA).
   */
  async #recordOf(certificate: X509Certificate | undefined, graceSeconds: number): Promise<CertificateRecord> {
    const { authority, nodes, clock } = this.#options;
    if (!certificate) throw new EnrolmentRefused('no_certificate', 'no client certificate');
    if (!signs(authority.parsed, certificate)) {
      throw new EnrolmentRefused('foreign_certificate', "the client certificate is not signed by this cluster's CA");
    }
    const usage = usageProblem(certificate, 'client', true);
    if (usage !== undefined) throw new EnrolmentRefused('foreign_certificate', `the client certificate: ${usage}`);
    const now = clock.now();
    const ended = now - Date.parse(certificate.validTo);
    const problem = validityProblem(certificate, now);
    if (problem !== undefined && !(ended > 0 && ended <= graceSeconds * 1000)) {
      throw new EnrolmentRefused('ended', `the client certificate is not accepted: ${problem}`);
    }
    const record = await nodes.ofCertificate(certificate.serialNumber.toLowerCase());
    if (!record) throw new EnrolmentRefused('unknown_node', 'this data plane is not known; it has to join again');
    if (record.revoked) throw new EnrolmentRefused('revoked', 'this data plane is revoked');
    return record;
  }

  async #invitationOf(token: string, remoteAddress: string | null) {
    const { invitations, log } = this.#options;
    const parts = parseJoinToken(token);
    const opened = parts && (await this.#guesses.try(remoteAddress, () => invitations.open(parts.id, parts.secret)));
    if (opened === 'slow_down') {
      throw new EnrolmentRefused('slow_down', 'too many wrong tokens came from this address; try again later', 429);
    }
    if (!opened) {
      log.warn({ ip: remoteAddress }, 'a wrong token of an invitation');
      throw new EnrolmentRefused('bad_token', `no invitation has this token${ANOTHER}`);
    }
    return opened;
  }

  #enrolled({ id, name, labels }: EnrolledNode, certificate: string): Enrolled {
    return { node_id: id, name, labels, certificate, ca: this.#options.authority.certificate };
  }

  #pruneLater(): void {
    const { clock, nodes, invitations, graceSeconds, log } = this.#options;
    this.#cancelPrune = clock.after(PRUNE_EVERY_MS, () => {
      void Promise.all([nodes.prune(graceSeconds), invitations.prune()]).catch((error) =>
        log.warn({ error: errorMessage(error) }, 'nodes that can not come back could not be deleted'),
      );
      this.#pruneLater();
    });
  }
}

async function keyOf(csr: Buffer): Promise<Buffer> {
  try {
    return await certifiableKey(csr);
  } catch (error) {
    throw new EnrolmentRefused('bad_request', `the signing request can't be used: ${errorMessage(error)}`, 400);
  }
}
