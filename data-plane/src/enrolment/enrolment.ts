import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Enrolled, EnrolmentRefusal, JoinToken } from '@vaultplane/model/protocol/enrolment.ts';
import type { RenewedMessage } from '@vaultplane/model/protocol/protocol.ts';
import { signs, usageProblem } from '@vaultplane/platform/crypto/certificate-chain.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Address } from '@vaultplane/platform/net/network-address.ts';
import { type AskOptions, askToJoin, askToRenew, CertificateRefused } from './ask.ts';
import { endOf, type Identity, nextKey, readIdentity, renewalTimeOf, writeIdentity } from './identity-file.ts';
import { notJoined } from './load-enrolled.ts';
import { signingRequest } from './signing-request.ts';

/** After these nothing but another join helps; a revoked node does not join again by itself. */
const GONE: readonly (EnrolmentRefusal | undefined)[] = ['unknown_node', 'ended', 'not_newest', 'foreign_certificate'];

/** A renewal that failed, or was not answered, is asked for again after this. */
const RENEW_AGAIN_MS = 60_000;

export interface EnrolmentOptions {
  dataDir: string;
  /** The token to join with, read when it is needed; undefined where none is set. @throws StartError */
  token: (() => Promise<JoinToken>) | undefined;
  /** ms since 1970. */
  now: () => number;
  /** From 0 up to 1: how much later than it could be a certificate is renewed. */
  random: number;
  log: Log;
}

/** This node's identity on its way: the join, and the renewal of a certificate that has ended (`cluster_mtls = enrolled`). */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  /** A control plane does not know this node any more. */
  #isGone = false;
  /** A control plane says that the certificate has ended, whatever this machine's clock says. */
  #hasEnded = false;
  /** Why the last renewal over the link failed. */
  #problem: string | null = null;
  #notBefore = 0;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /** Why the certificate could not be renewed; null where it could, or need not be yet. */
  get problem(): string | null {
    return this.#problem;
  }

  /** A request for another certificate (DER), from a third of this one's life on. Never rejects. */
  async renewalRequest(): Promise<Buffer | undefined> {
    const { dataDir, now, random } = this.#options;
    // A pause that seems longer than it is: the clock was set back.
    if (now() < this.#notBefore && this.#notBefore - now() <= RENEW_AGAIN_MS) return undefined;
    try {
      const identity = await readIdentity(dataDir);
      if (!identity || now() < renewalTimeOf(identity, random)) return undefined;
      // An answer that does not come is asked for again, for the same key.
      this.#notBefore = now() + RENEW_AGAIN_MS;
      return signingRequest(await nextKey(dataDir));
    } catch (error) {
      this.#failed(errorMessage(error));
      return undefined;
    }
  }

  /** Takes the answer. @returns whether there is a new certificate in data_dir. Never rejects. */
  async renewed({ certificate, reason }: Pick<RenewedMessage, 'certificate' | 'reason'>): Promise<boolean> {
    const { dataDir, log } = this.#options;
    try {
      if (certificate === null) throw new Error(reason ?? 'the control plane says no reason');
      const identity = await readIdentity(dataDir);
      if (!identity) return false;
      await keepRenewed(dataDir, identity, await nextKey(dataDir), certificate);
      this.#problem = null;
      this.#notBefore = 0;
      log.info({ until: new Date(endOf({ certificate })).toISOString() }, 'the certificate is renewed');
      return true;
    } catch (error) {
      this.#failed(errorMessage(error));
      return false;
    }
  }

  #failed(reason: string): void {
    const level = this.#problem === reason ? 'debug' : 'warn';
    this.#problem = reason;
    this.#options.log[level]({ reason }, 'the certificate could not be renewed; tried again');
  }

  /** A control plane has refused a link, for this reason. */
  refused(code: string): void {
    if (code === 'ended') this.#hasEnded = true;
    else if (GONE.includes(code as EnrolmentRefusal)) this.#isGone = true;
  }

  /**
   * Makes sure that there is an identity that can be shown to this control plane: joins where there is none, or where it is
   * gone for good, and renews one that has ended.
   *
   * @returns whether data_dir has another identity now
   * @throws ConnectionRefused, CertificateRefused, StartError
   */
  async ensure(address: Address, ask: AskOptions): Promise<boolean> {
    const { dataDir, token, now } = this.#options;
    const identity = await readIdentity(dataDir);
    if (identity && endOf(identity) > now() && !this.#hasEnded && !(this.#isGone && token)) return false;
    if (identity && !this.#isGone) {
      try {
        await this.#renew(identity, address, ask);
        this.#hasEnded = false;
        return true;
      } catch (error) {
        if (!(error instanceof CertificateRefused) || !token || !GONE.includes(error.code)) throw error;
      }
    }
    if (!token) throw notJoined();
    await join(dataDir, address, await token(), ask, { fresh: identity !== undefined });
    this.#isGone = false;
    this.#hasEnded = false;
    this.#options.log.info({}, 'this data plane joined');
    return true;
  }

  async #renew(identity: Identity, address: Address, ask: AskOptions): Promise<void> {
    const { dataDir, log } = this.#options;
    const key = await nextKey(dataDir);
    const answer = await askToRenew(address, identity, key, ask);
    await keepRenewed(dataDir, identity, key, answer.certificate);
    log.warn({ ended: new Date(endOf(identity)).toISOString() }, 'the certificate had ended, and is renewed');
  }
}

/**
 * Joins, and keeps the identity in data_dir.
 *
 * @param options.fresh with a key that nobody has been asked about before
 * @throws ConnectionRefused, CertificateRefused
 */
export async function join(
  dataDir: string,
  address: Address,
  token: JoinToken,
  ask: AskOptions,
  options: { fresh: boolean },
): Promise<Enrolled> {
  const key = await nextKey(dataDir, options);
  const answer = await askToJoin(address, token, key, ask);
  checkAnswer(answer, key, new X509Certificate(answer.ca));
  await writeIdentity(dataDir, { key, certificate: answer.certificate, ca: answer.ca });
  return answer;
}

/** Keeps a renewed certificate: of the same node, of the same CA. @throws StartError for any other */
export async function keepRenewed(
  dataDir: string,
  { nodeId, ca }: Identity,
  key: string,
  certificate: string,
): Promise<void> {
  checkAnswer({ node_id: nodeId, certificate }, key, new X509Certificate(ca));
  await writeIdentity(dataDir, { key, certificate, ca });
}

/** @throws StartError where a certificate is not what was asked for */
function checkAnswer(
  { node_id, certificate: pem }: Pick<Enrolled, 'node_id' | 'certificate'>,
  key: string,
  authority: X509Certificate,
): void {
  const certificate = new X509Certificate(pem);
  const isRight =
    signs(authority, certificate) &&
    usageProblem(certificate, 'client', true) === undefined &&
    certificate.checkPrivateKey(createPrivateKey(key)) &&
    certificate.subject === `CN=${node_id}`;
  if (!isRight) throw new StartError('the control plane made a certificate that is not for this node; it is not used');
}
