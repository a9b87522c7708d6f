import { errorMessage } from '@vaultplane/platform/errors.ts';
import { FreshRuns } from '@vaultplane/platform/files/fresh-runs.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type Database, DatabaseUnavailable } from '../store/database.ts';
import { type CertificateIdentity, type FleetNodes, nodeKey } from '../store/fleet-nodes.ts';
import { LinkPeers } from './link-peers.ts';
import { POLL_MS } from './publisher.ts';

/** So many links of one node may be waiting for what becomes of the first. */
const MAX_WAITING = 4;

/** Ids whose certificate is remembered; those that came longest ago go first. */
const MAX_KNOWN = 20_000;

/** A link, as far as it is in the way of another, or is to end. */
export interface LiveLink {
  /** Whether it answers a ping, within PING_ANSWER_MS. */
  isAlive(): Promise<boolean>;
  /** Ends it, with a reason that its data plane is told. */
  end(code: string, reason: string): void;
}

/** Whose link it says it is. */
export interface LinkClaim {
  nodeId: string;
  /** Its certificate is that of a node that has joined. */
  enrolled: boolean;
  /** Of the link's own certificate; undefined where all have the same one. */
  certificate?: CertificateIdentity | undefined;
}

export interface LinkRefusal {
  code: 'wrong_node_id' | 'duplicate_identity';
  reason: string;
}

export interface LinkAdmissionOptions {
  controlPlaneId: string;
  nodes: FleetNodes;
  database: Database;
  clock: Clock;
  log: Log;
}

/**
 * Who may have a link: of one identity one link, on whichever control plane. An identity is the node's id and, under `pki`,
 * the key of its certificate. A second link takes the first one's place only where that does not answer a ping.
 */
export class LinkAdmission {
  readonly #options: LinkAdmissionOptions;
  readonly #links = new Map<string, LiveLink>();
  readonly #enrolled = new Map<LiveLink, string>();
  /** By key: the links that are being let in, one after another. */
  readonly #turns = new Map<string, { last: Promise<unknown>; count: number }>();
  /** Keys that another control plane was told are free, while a link of theirs is being let in here: that one gives way. */
  readonly #yielded = new Set<string>();
  /** Under `pki`: whose an id was when the database was last asked, for as long as it can't be. */
  readonly #known = new Map<string, CertificateIdentity>();
  #peers: LinkPeers | undefined;
  readonly #looks = new FreshRuns(() => this.#endRevoked());
  #cancelPoll: () => void = () => {};
  #stopped = false;

  private constructor(options: LinkAdmissionOptions) {
    this.#options = options;
  }

  static async start(options: LinkAdmissionOptions): Promise<LinkAdmission> {
    const admission = new LinkAdmission(options);
    const { controlPlaneId, database, clock, log } = options;
    admission.#peers = await LinkPeers.start({
      ...{ controlPlaneId, database, clock, log },
      isHeld: (keys, asker) => admission.#isHeld(keys, asker),
      end: (key, code, reason) => admission.#links.get(key)?.end(code, reason),
      missed: () => void admission.#lookForOthers(),
    });
    admission.#poll();
    return admission;
  }

  /** Lets a link in, or says why not. Whoever was let in is to `leave` at the end. */
  async admit(link: LiveLink, claim: LinkClaim): Promise<LinkRefusal | undefined> {
    const { nodeId, certificate } = claim;
    if (certificate && !(await this.#ownsId(nodeId, certificate))) {
      return {
        code: 'wrong_node_id',
        reason: `node ${nodeId} is known by another certificate than this one, whose common name is ${JSON.stringify(certificate.commonName.slice(0, 64))}; \`vaultplane-cp node remove ${nodeId}\` frees the id, and without data_dir/node-id a data plane makes itself another`,
      };
    }
    const keys = keysOf(claim);
    return this.#inTurn(nodeId, keys, async () => {
      for (const key of keys) this.#yielded.delete(key);
      for (const key of keys) {
        const other = this.#links.get(key);
        if (!other) continue;
        if (await other.isAlive()) return duplicate(nodeId, 'this control plane');
        other.end('replaced', 'another link of this node has taken its place, since it did not answer');
      }
      const elsewhere = await this.#peers?.findLive(keys);
      if (elsewhere !== undefined) return duplicate(nodeId, `control plane ${elsewhere}`);
      if (keys.some((key) => this.#yielded.has(key))) return duplicate(nodeId, 'another control plane');
      for (const key of keys) this.#links.set(key, link);
      if (claim.enrolled) this.#enrolled.set(link, nodeId);
      return undefined;
    });
  }

  leave(link: LiveLink, claim: LinkClaim): void {
    for (const key of keysOf(claim)) if (this.#links.get(key) === link) this.#links.delete(key);
    this.#enrolled.delete(link);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelPoll();
    await this.#peers?.stop();
    await this.#looks.ended();
  }

  /** Without the database an id is whose it was, and one that nobody knows is anybody's: that keeps nobody out. */
  async #ownsId(nodeId: string, certificate: CertificateIdentity): Promise<boolean> {
    try {
      const owns = await this.#options.nodes.claim(nodeId, certificate);
      this.#known.delete(nodeId);
      if (owns) this.#known.set(nodeId, certificate);
      if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
      return owns;
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error;
      const known = this.#known.get(nodeId);
      return (
        !known ||
        known.publicKey === certificate.publicKey ||
        (known.commonName !== '' && known.commonName === certificate.commonName)
      );
    }
  }

  /** One after another for each key. */
  async #inTurn(
    nodeId: string,
    keys: readonly string[],
    work: () => Promise<LinkRefusal | undefined>,
  ): Promise<LinkRefusal | undefined> {
    const before = keys.flatMap((key) => this.#turns.get(key) ?? []);
    if (before.some(({ count }) => count >= MAX_WAITING)) return duplicate(nodeId, 'others that wait');
    const result = Promise.all(before.map(({ last }) => last)).then(work);
    const last = result.catch(() => {});
    for (const key of keys) this.#turns.set(key, { last, count: (this.#turns.get(key)?.count ?? 0) + 1 });
    try {
      return await result;
    } finally {
      for (const key of keys) {
        const turn = this.#turns.get(key)!;
        if (--turn.count > 0) continue;
        this.#turns.delete(key);
        this.#yielded.delete(key);
      }
    }
  }

  async #isHeld(keys: readonly string[], asker: string): Promise<boolean> {
    for (const key of keys) {
      const link = this.#links.get(key);
      if (link && (await link.isAlive())) return true;
      link?.end('replaced', 'another link of this node has taken its place, since it did not answer');
      // Both are being let in at the same time: one of them is to win, and both must know which.
      if (!this.#turns.has(key)) continue;
      if (this.#options.controlPlaneId < asker) return true;
      this.#yielded.add(key);
    }
    return false;
  }

  /** After this control plane was cut off: a node that others have let in meanwhile is theirs. */
  async #lookForOthers(): Promise<void> {
    for (const [key, link] of [...this.#links]) {
      if (this.#stopped || this.#links.get(key) !== link) continue;
      const elsewhere = await this.#peers?.findLive([key]).catch(() => undefined);
      if (elsewhere !== undefined && !this.#stopped) {
        link.end('replaced', `control plane ${elsewhere} has a link of this node too`);
      }
    }
  }

  /** Ends the links of nodes that are revoked, also where nobody has told of it. */
  async #endRevoked(): Promise<void> {
    const { nodes, log } = this.#options;
    try {
      const ended = new Set(await nodes.ended([...this.#enrolled.values()]));
      for (const [link, id] of this.#enrolled)
        if (ended.has(id)) link.end('revoked', 'this node has been revoked or removed');
    } catch (error) {
      log.debug({ error: errorMessage(error) }, 'revoked nodes can not be read');
    }
  }

  #poll(): void {
    this.#cancelPoll = this.#options.clock.after(POLL_MS, () => {
      void this.#looks.start().then(() => {
        if (!this.#stopped) this.#poll();
      });
    });
  }
}

function keysOf({ nodeId, certificate }: LinkClaim): string[] {
  return certificate ? [nodeKey(nodeId), `key:${certificate.publicKey}`] : [nodeKey(nodeId)];
}

function duplicate(nodeId: string, where: string): LinkRefusal {
  return {
    code: 'duplicate_identity',
    reason: `node ${nodeId} has a live link already, at ${where}; is its data_dir or certificate on two machines?`,
  };
}
