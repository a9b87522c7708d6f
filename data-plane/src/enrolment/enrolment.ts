import { createPrivateKey, X509Certificate } from 'node:crypto';
import { signs, usageProblem } from '@vaultplane/shared/certificate-chain.ts';
import type { Enrolled, EnrolmentRefusal, JoinToken } from '@vaultplane/shared/enrolment.ts';
import { StartError } from '@vaultplane/shared/errors.ts';
import type { Log } from '@vaultplane/shared/log.ts';
import type { Address } from '@vaultplane/shared/settings.ts';
import { type AskOptions, askToJoin, askToRenew, CertificateRefused } from './ask.ts';
import { endOf, type Identity, nextKey, readIdentity, writeIdentity } from './identity-file.ts';
import { notJoined } from './load-enrolled.ts';

/** After these nothing but another join helps; a revoked node does not join again by itself. */
const GONE: readonly (EnrolmentRefusal | undefined)[] = ['unknown_node', 'ended', 'not_newest', 'foreign_certificate'];

export interface EnrolmentOptions {
  dataDir: string;
  /** The token to join with, read when it is needed; undefined where none is set. @throws StartError */
  token: (() => Promise<JoinToken>) | undefined;
  /** ms since 1970. */
  now: () => number;
  log: Log;
}

/** This node's identity on its way: the join, and the renewal of a certificate that has ended (`cluster_mtls = enrolled`). */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  /** A control plane does not know this node any more. */
  #isGone = false;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /** A control plane has refused a link, for this reason. */
  refused(code: string): void {
    if (GONE.includes(code as EnrolmentRefusal)) this.#isGone = true;
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
    if (identity && endOf(identity) > now() && !(this.#isGone && token)) return false;
    if (identity && !this.#isGone) {
      try {
        await this.#renew(identity, address, ask);
        return true;
      } catch (error) {
        if (!(error instanceof CertificateRefused) || !token || !GONE.includes(error.code)) throw error;
      }
    }
    if (!token) throw notJoined();
    await join(dataDir, address, await token(), ask, { fresh: identity !== undefined });
    this.#isGone = false;
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
