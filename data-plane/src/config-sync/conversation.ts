import {
  type CommandMessage,
  type CommandResultMessage,
  type ConfigDefaults,
  type ControlPlaneMessage,
  DATA_PLANE_ACCEPTS,
  type DataPlaneMessage,
  type HelloMessage,
  PROTOCOL_VERSIONS,
  type ReferencesMessage,
  type RenewedMessage,
  type ReportMessage,
  vaultsOf,
  type WelcomeMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import { applyDelta, type ConfigPosition, checkSnapshot, type Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { type Configuration, judge, positionOf } from './configuration.ts';
import { fittingReport } from './fitting-report.ts';

/** Who this data plane is, for the hello. */
export interface NodeIdentity {
  nodeId: string;
  hostname: string;
  programVersion: string;
  labels: Record<string, string>;
}

export interface ConversationOptions {
  configuration: Configuration;
  identity: NodeIdentity;
  log: Log;
  /** Does what a control plane commands. Never rejects. */
  carryOut: (command: CommandMessage) => Promise<CommandResultMessage>;
  send: (message: DataPlaneMessage) => void;
  /** Whether a welcome is that of a control plane. @throws Error where it is not to be believed */
  believe?: ((welcome: WelcomeMessage) => void) | undefined;
  /** Takes the answer to a request for another certificate. */
  renewed?: ((message: RenewedMessage) => void) | undefined;
}

type MessageOf<T extends ControlPlaneMessage['type']> = Extract<ControlPlaneMessage, { type: T }>;

/** The control plane said, or did, something after which there is nothing more to say. */
export class ConversationEnded extends Error {
  override readonly name = 'ConversationEnded';
}

/** A whole snapshot that is wrong is asked for once more; a control plane that sends a wrong one again is left. */
const MOST_NACKS_IN_A_ROW = 2;

/**
 * What is said over one cluster link, from the hello on (specification.md §8), without the sockets that carry it.
 */
export class Conversation {
  readonly #configuration: Configuration;
  readonly #identity: NodeIdentity;
  readonly #log: Log;
  readonly #carryOut: ConversationOptions['carryOut'];
  readonly #send: (message: DataPlaneMessage) => void;
  readonly #believe: ConversationOptions['believe'];
  readonly #renewed: ConversationOptions['renewed'];
  #welcome: WelcomeMessage | undefined;
  #waitingForWhole = false;
  #nacks = 0;

  constructor(options: ConversationOptions) {
    this.#configuration = options.configuration;
    this.#identity = options.identity;
    this.#log = options.log;
    this.#carryOut = options.carryOut;
    this.#send = options.send;
    this.#believe = options.believe;
    this.#renewed = options.renewed;
  }

  /** The control plane's answer to the hello; undefined before it came. */
  get welcome(): WelcomeMessage | undefined {
    return this.#welcome;
  }

  open(): void {
    const { nodeId, hostname, programVersion, labels } = this.#identity;
    const current = this.#configuration.current;
    const hello: HelloMessage = {
      type: 'hello',
      protocols: [...PROTOCOL_VERSIONS],
      node_id: nodeId,
      hostname,
      program_version: programVersion,
      config: current && announcedPosition(current.snapshot),
      labels,
      accepts: [...DATA_PLANE_ACCEPTS],
    };
    this.#send(hello);
  }

  report(report: Omit<ReportMessage, 'type'>): void {
    if (this.#welcome) this.#send(fittingReport(report));
  }

  /** The control plane wants to know which references are held. */
  get acceptsReferences(): boolean {
    return this.#welcome?.accepts?.includes('references') ?? false;
  }

  /** The control plane makes certificates. */
  get acceptsRenewals(): boolean {
    return this.#welcome?.accepts?.includes('renew') ?? false;
  }

  renew(csr: Uint8Array): void {
    if (this.acceptsRenewals) this.#send({ type: 'renew', csr });
  }

  tell(references: ReferencesMessage): void {
    if (this.acceptsReferences) this.#send(references);
  }

  /** @throws ConversationEnded when the link is to be closed */
  receive(message: ControlPlaneMessage): void {
    if (message.type === 'refuse') {
      throw new ConversationEnded(`the control plane refuses this data plane: ${message.reason} (${message.code})`);
    }
    if (message.type === 'welcome') this.#receiveWelcome(message);
    else if (!this.#welcome) throw new ConversationEnded(`the control plane sent a ${message.type} before its welcome`);
    else if (message.type === 'snapshot') this.#receiveSnapshot(message);
    else if (message.type === 'delta') this.#receiveDelta(message);
    else if (message.type === 'renewed') this.#renewed?.(message);
    else void this.#carryOut(message).then((result) => this.#send(result));
  }

  #receiveSnapshot({ type: _, vaults, ...position }: MessageOf<'snapshot'>): void {
    this.#waitingForWhole = false;
    this.#apply(position.version, () => checkSnapshot({ ...position, vaults: vaultsOf(vaults) }));
  }

  #receiveDelta({ type: _, upserts, deletes, ...rest }: MessageOf<'delta'>): void {
    // Deltas that were on their way while the whole was asked for would only be refused again; the whole holds them.
    if (this.#waitingForWhole) return;
    const current = this.#configuration.current;
    const offered = { timeline: rest.timeline, version: rest.to, hash: rest.hash };
    if (current && judge(current.snapshot, offered) !== 'applied') {
      this.#acknowledge(current.snapshot);
      return;
    }
    this.#apply(rest.to, () => {
      if (!current) throw new Error('there is no configuration here yet that a delta could change');
      return applyDelta(current.snapshot, { ...rest, upserts: vaultsOf(upserts), deletes });
    });
  }

  #receiveWelcome(welcome: WelcomeMessage): void {
    if (this.#welcome) throw new ConversationEnded('the control plane sent a second welcome');
    if (!PROTOCOL_VERSIONS.includes(welcome.protocol)) {
      throw new ConversationEnded(
        `the control plane chose protocol ${welcome.protocol}; this data plane speaks ${PROTOCOL_VERSIONS.join(', ')}`,
      );
    }
    // Before anything that it says is taken for true.
    this.#believe?.(welcome);
    this.#welcome = welcome;
    const current = this.#configuration.current;
    if (!current) return;
    const verdict = judge(current.snapshot, welcome.config);
    if (verdict === 'confirmed') {
      this.#configuration.accept(current.snapshot, welcome.defaults);
      this.#acknowledge(current.snapshot);
    } else if (verdict === 'older') {
      this.#log.warn(
        { here: positionOf(current.snapshot), control_plane: welcome.config },
        'the control plane has an older configuration than this data plane; the newer one stays in use',
      );
    }
  }

  #apply(version: number, make: () => Snapshot): void {
    const defaults: ConfigDefaults = this.#welcome?.defaults ?? {};
    let snapshot: Snapshot;
    try {
      snapshot = make();
    } catch (error) {
      this.#refuse(version, errorMessage(error));
      return;
    }
    this.#nacks = 0;
    // What is in use is acknowledged, also where that is newer than what was sent: a nack would bring the old one again.
    this.#configuration.accept(snapshot, defaults);
    this.#acknowledge(this.#configuration.current?.snapshot ?? snapshot);
  }

  #acknowledge(snapshot: Snapshot): void {
    const position = announcedPosition(snapshot);
    if (position) this.#send({ type: 'ack', ...position });
  }

  #refuse(version: number, reason: string): void {
    this.#nacks++;
    const current = this.#configuration.current;
    this.#log.warn(
      { version, reason },
      'a configuration from the control plane could not be applied; asking for the whole',
    );
    this.#waitingForWhole = true;
    this.#send({
      type: 'nack',
      version,
      reason: reason.slice(0, 1024),
      position: current && announcedPosition(current.snapshot),
    });
    if (this.#nacks > MOST_NACKS_IN_A_ROW) {
      throw new ConversationEnded(`the control plane's configuration ${version} could not be applied: ${reason}`);
    }
  }
}

/** Nothing where only a part is here: a control plane would take the part's hash for a change that it never made. */
function announcedPosition(snapshot: Snapshot): ConfigPosition | null {
  return snapshot.partial ? null : positionOf(snapshot);
}
