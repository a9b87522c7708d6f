import type { Duplex } from 'node:stream';
import type { ControlPlaneProof } from '@vaultplane/model/protocol/control-plane-proof.ts';
import { MAX_ENROLMENT_BYTES } from '@vaultplane/model/protocol/enrolment.ts';
import {
  AUTHORITY_ACCEPTS,
  CONTROL_PLANE_ACCEPTS,
  type CommandMessage,
  type ConfigDefaults,
  type ControlPlaneMessage,
  chooseProtocol,
  type DataPlaneMessage,
  decodeDataPlaneMessage,
  encodeMessage,
  type HelloMessage,
  MAX_DATA_PLANE_MESSAGE_BYTES,
  PROTOCOL_VERSIONS,
  ProtocolError,
} from '@vaultplane/model/protocol/protocol.ts';
import type { ConfigPosition } from '@vaultplane/model/snapshots/snapshot.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { WebSocket } from 'ws';
import type { CertificateIdentity } from '../store/fleet-nodes.ts';
import type { EnrolledNode } from '../store/nodes.ts';
import { PROGRAM_VERSION } from '../version.ts';
import type { Fleet, Member } from './fleet.ts';
import type { LastAcknowledgement } from './last-acknowledgement.ts';
import type { LinkAdmission, LinkClaim, LiveLink } from './link-admission.ts';
import { LinkIntake } from './link-intake.ts';
import { PING_ANSWER_MS } from './link-peers.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { isSamePosition, type Publication, type Publisher } from './publisher.ts';
import { sharedFrame } from './shared-frame.ts';
import type { Sending, SlowSends } from './slow-sends.ts';

/** A data plane that has not said hello by then is closed. */
export const HELLO_WITHIN_MS = 10_000;
/** A ping goes out this often; a link that has not answered one by the next is dead. */
export const PING_EVERY_MS = 15_000;
/**
 * While more than this many bytes wait for a slow reader, nothing is sent to it; when they are gone it gets the newest
 * version. So at most this and one message wait.
 */
export const MOST_WAITING_BYTES = 256 * 1024;
/** A data plane that can't apply what it is sent says so twice, and then takes another link. */
const MAX_NACKS = 10;
/** After a close, the other side has this long to close too. */
const CLOSE_WITHIN_MS = 500;

const NORMAL_CLOSE = 1000;
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;

export interface SessionOptions {
  socket: WebSocket;
  /** What the WebSocket is spoken on. */
  connection: Duplex;
  ip: string | null;
  certExpiresAt: Date;
  /** Who it is, where its certificate says so: its hello must say the same, and its labels are these. */
  node?: EnrolledNode | undefined;
  /** Under `pki`: whose certificate it is, to which the id of its hello is bound. */
  certificate?: CertificateIdentity | undefined;
  admission: LinkAdmission;
  /** Whether an id belongs to a node with a certificate of its own: nobody without that certificate may claim it. */
  isEnrolled?: ((nodeId: string) => Promise<boolean>) | undefined;
  /** Makes this node another certificate (PEM), where this control plane is the CA. @throws EnrolmentRefused */
  renew?: ((csr: Buffer) => Promise<string>) | undefined;
  controlPlaneId: string;
  /** Proves to this link's data plane that this is a control plane; undefined where there is no export key. */
  prove?: (() => ControlPlaneProof) | undefined;
  defaults: ConfigDefaults;
  publisher: Publisher;
  fleet: Fleet;
  slowSends: SlowSends;
  /** For the messages of all links that have begun and not ended. */
  unread: MemoryBudget;
  lastAcknowledgement: LastAcknowledgement;
  clock: Clock;
  log: Log;
  /** Why a link was refused, for the metrics. */
  onRefuse: (code: string) => void;
  onAcknowledge?: (position: ConfigPosition) => void;
}

/** The link to one data plane, from its hello to its end. Whatever comes by it, it harms no other link. */
export class Session implements LiveLink {
  readonly ended: Promise<void>;
  readonly #options: SessionOptions;
  readonly #log: Log;
  readonly #intake: LinkIntake;
  #member: Member | undefined;
  /** As whom it was let in. */
  #claim: LinkClaim | undefined;
  #greeted = false;
  /** As its hello says. */
  #nodeId: string | undefined;
  /** Somebody has removed it: its row is not to be written again. */
  #forgotten = false;
  /** What the data plane has once it has read all that was sent; undefined: only the whole snapshot will do. */
  #sent: ConfigPosition | undefined;
  /** The version of the last whole snapshot that was sent. */
  #whole: ConfigPosition | undefined;
  #acceptsCompressed = false;
  /** Something is being made ready to be sent. */
  #preparing = false;
  #again = false;
  #answered = true;
  /** Configurations whose bytes have not all gone yet, in order: no answer to a ping can be expected before. */
  readonly #sending: Sending[] = [];
  /** Since the last acknowledgement. */
  #nacks = 0;
  /** It was let off for those bytes. */
  #excused = false;
  #closing = false;
  #renewing = false;
  #unfollow: () => void = () => {};
  #cancelTimer: () => void;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#log = options.log;
    const { socket, connection, unread, clock } = options;
    const exceeded = (code: string, reason: string) => this.#refuse(code, reason);
    this.#intake = new LinkIntake({ socket, connection, budget: unread, clock, exceeded });
    this.#cancelTimer = clock.after(HELLO_WITHIN_MS, () => this.#refuse('no_hello', 'no hello came'));
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.#end();
        resolve();
      });
    });
    socket.on('error', (error) => this.#broke(error));
    socket.on('pong', () => {
      this.#answered = true;
    });
    socket.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary));
  }

  /** Whether it answers a ping in time. */
  isAlive(): Promise<boolean> {
    const { socket, clock } = this.#options;
    if (this.#closing || socket.readyState !== socket.OPEN) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = (alive: boolean) => {
        cancel();
        socket.off('pong', answered);
        socket.off('close', ended);
        resolve(alive);
      };
      const answered = () => done(true);
      const ended = () => done(false);
      // What has come by then is read first: it may be this control plane that was slow.
      const cancel = clock.after(PING_ANSWER_MS, () => setImmediate(() => done(false)));
      socket.on('pong', answered);
      socket.on('close', ended);
      socket.ping();
    });
  }

  /** Closes it, with a reason that the data plane is told. */
  end(code: string, reason: string): void {
    this.#forgotten = code === 'removed';
    this.#refuse(code, reason);
  }

  /** Says goodbye, since this control plane stops. */
  async stop(): Promise<void> {
    this.#close(GOING_AWAY, 'the control plane stops');
    await this.ended;
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#intake.read();
    if (this.#closing) return;
    this.#answered = true;
    try {
      if (!isBinary) throw new ProtocolError('a message is text, not MessagePack');
      const acknowledged = this.#member && this.#options.lastAcknowledgement.find(data);
      if (acknowledged) {
        this.#acknowledged(this.#member!, acknowledged);
        return;
      }
      const message = decodeDataPlaneMessage(data);
      this.#handle(message, data.length);
      if (message.type === 'ack') this.#options.lastAcknowledgement.remember(data, message);
    } catch (error) {
      if (error instanceof ProtocolError) this.#refuse('bad_message', errorMessage(error));
      else this.#failed(error);
    }
  }

  /** @throws ProtocolError */
  #handle(message: DataPlaneMessage, bytes: number): void {
    if (message.type === 'hello') {
      this.#hello(message, bytes).catch((error) => this.#failed(error));
      return;
    }
    const member = this.#member;
    if (!member) {
      this.#refuse('no_hello', `the first message must be a hello, not ${message.type}`);
      return;
    }
    if (message.type === 'ack') this.#acknowledged(member, message);
    else if (message.type === 'nack') this.#nacked(message.version, message.reason);
    else if (message.type === 'report') member.reported(message, bytes);
    else if (message.type === 'references') member.told(message);
    else if (message.type === 'renew') void this.#renew(message.csr);
    else member.answered(message);
  }

  /** One at a time; a data plane asks again by itself. */
  async #renew(csr: Uint8Array): Promise<void> {
    const { renew } = this.#options;
    if (this.#renewing) return;
    this.#renewing = true;
    try {
      if (!renew) throw new Error('this control plane renews no certificates');
      if (csr.length > MAX_ENROLMENT_BYTES) throw new Error('the signing request is too long');
      this.#send({ type: 'renewed', certificate: await renew(Buffer.from(csr)) });
    } catch (error) {
      const reason = errorMessage(error).slice(0, 1000);
      this.#log.warn({ ...this.#facts(), reason }, 'no certificate is made');
      this.#send({ type: 'renewed', certificate: null, reason });
    } finally {
      this.#renewing = false;
    }
  }

  #acknowledged(member: Member, position: ConfigPosition): void {
    this.#nacks = 0;
    member.acknowledged(position);
    this.#options.onAcknowledge?.(position);
  }

  #broke(error: Error): void {
    if ((error as NodeJS.ErrnoException).code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
      // The WebSocket itself has answered with the code 1009.
      this.#options.onRefuse('too_large');
      const reason = `a message may have ${MAX_DATA_PLANE_MESSAGE_BYTES} bytes`;
      this.#log.warn({ ...this.#facts(), code: 'too_large', reason }, 'a cluster link is refused');
    } else this.#log.info({ ...this.#facts(), error: error.message }, 'a cluster link broke');
  }

  #failed(error: unknown): void {
    this.#log.error({ ...this.#facts(), err: error }, 'a message of a data plane could not be handled');
    this.#refuse('internal', 'the control plane failed to handle a message');
  }

  /** @param bytes of the message */
  async #hello(hello: HelloMessage, bytes: number): Promise<void> {
    const { publisher, fleet, controlPlaneId, defaults, ip, certExpiresAt, socket, prove } = this.#options;
    if (this.#greeted) return this.#refuse('bad_message', 'a second hello');
    this.#greeted = true;
    this.#nodeId = hello.node_id;
    const protocol = chooseProtocol(hello.protocols);
    if (protocol === undefined) {
      return this.#refuse(
        'unsupported_protocol',
        `this control plane speaks protocol ${PROTOCOL_VERSIONS.join(', ')}, the data plane ${hello.protocols.join(', ')}`,
      );
    }
    const { node, isEnrolled } = this.#options;
    const owned = node ? node.id !== hello.node_id : isEnrolled && (await isEnrolled(hello.node_id));
    if (owned) {
      return this.#refuse(
        'wrong_node_id',
        node
          ? `its certificate is that of node ${node.id}, and its hello says ${hello.node_id}`
          : `node ${hello.node_id} has a certificate of its own, which was not shown`,
      );
    }
    const claim: LinkClaim = {
      nodeId: hello.node_id,
      enrolled: node !== undefined,
      certificate: this.#options.certificate,
    };
    const refused = this.#closing ? undefined : await this.#options.admission.admit(this, claim);
    if (refused) return this.#refuse(refused.code, refused.reason);
    this.#claim = claim;
    if (this.#closing) return this.#leave();
    this.#cancelTimer();
    this.#intake.greeted();
    this.#acceptsCompressed = hello.accepts?.includes('compressed') ?? false;
    const send = hello.accepts?.includes('command') ? (message: CommandMessage) => this.#send(message) : undefined;
    const exceeded = () => this.#refuse('too_much', 'all data planes together tell more than can be kept');
    const facts = { ip, protocol, certExpiresAt, send, bytes, exceeded };
    this.#member = fleet.join(node ? { ...hello, labels: node.labels } : hello, facts);
    this.#log.info(
      { ...this.#facts(), hostname: hello.hostname, version: hello.config?.version },
      'a data plane connected',
    );
    if (hello.config) await publisher.compare(hello.config, hello.node_id).catch(() => {});
    if (this.#closing || socket.readyState !== socket.OPEN) return;

    this.#sent = hello.config ?? undefined;
    this.#send({
      type: 'welcome',
      protocol,
      control_plane_id: controlPlaneId,
      program_version: PROGRAM_VERSION,
      config: publisher.position,
      defaults,
      ...(prove && hello.accepts?.includes('proof') && { proof: prove() }),
      accepts: [...CONTROL_PLANE_ACCEPTS, ...(this.#options.renew ? AUTHORITY_ACCEPTS : [])],
    });
    this.#unfollow = publisher.follow(() => this.#sync());
    this.#pingLater();
    this.#sync();
  }

  /** Sends what is missing: at once where it is ready, and else one at a time, and what becomes missing meanwhile. */
  #sync(): void {
    this.#again = true;
    if (this.#preparing) return;
    try {
      if (this.#sendReady()) return;
    } catch (error) {
      this.#notSent(error);
      return;
    }
    this.#preparing = true;
    this.#sendUntilNewest().catch((error) => this.#notSent(error));
  }

  #notSent(error: unknown): void {
    this.#log.error({ ...this.#facts(), err: error }, 'a configuration could not be sent');
    this.#refuse('internal', 'the control plane failed to send a configuration');
  }

  /** Whether there is nothing to do any more, for now. */
  #sendReady(): boolean {
    if (!this.#isBehind()) return true;
    const delta = this.#sent && this.#options.publisher.readyDelta(this.#sent);
    if (delta) this.#sendConfig(delta);
    return delta !== undefined;
  }

  async #sendUntilNewest(): Promise<void> {
    while (this.#again && !this.#closing) {
      this.#again = false;
      await this.#sendNewest();
    }
    // In the same turn as the last look at #again: what becomes missing from now on begins another.
    this.#preparing = false;
  }

  async #sendNewest(): Promise<void> {
    const { publisher } = this.#options;
    if (!this.#isBehind()) return;
    const delta = this.#sent && (await publisher.delta(this.#sent));
    const publication: Publication = delta ?? (await publisher.whole());
    if (!this.#canSend()) return;
    if (!delta) this.#whole = publication.to;
    this.#sendConfig(publication);
  }

  #canSend(): boolean {
    const { socket } = this.#options;
    return !this.#closing && socket.readyState === socket.OPEN;
  }

  /** It lacks something, and has room for it. */
  #isBehind(): boolean {
    const { publisher, socket } = this.#options;
    if (!this.#canSend() || (this.#sending.length > 0 && socket.bufferedAmount > MOST_WAITING_BYTES)) return false;
    return this.#sent === undefined || !isSamePosition(this.#sent, publisher.position);
  }

  #sendConfig({ to, bytes, compressed }: Publication): void {
    const { connection, slowSends } = this.#options;
    this.#sent = to;
    const chosen = (this.#acceptsCompressed && compressed) || bytes;
    this.#sending.push(slowSends.begin(chosen.length, this.#tooSlow));
    connection.write(sharedFrame(chosen), this.#gone);
  }

  /** The first of what is being sent is gone, or will never go: they go in order. */
  readonly #gone = (): void => {
    const sending = this.#sending.shift();
    if (sending) this.#options.slowSends.end(sending);
    // What could not be answered behind these bytes has until the next ping.
    if (this.#excused) this.#answered = true;
    this.#excused = false;
    // Was something left out for their sake?
    if (!this.#sent || !isSamePosition(this.#sent, this.#options.publisher.position)) this.#sync();
  };

  readonly #tooSlow = (bytes: number): void => {
    const { socket, onRefuse } = this.#options;
    onRefuse('slow_reader');
    this.#log.warn({ ...this.#facts(), bytes }, 'a data plane reads too slowly; its link is closed');
    socket.terminate();
  };

  #nacked(version: number, reason: string): void {
    if (++this.#nacks > MAX_NACKS) {
      this.#refuse('bad_message', `${MAX_NACKS} configurations were refused in a row`);
      return;
    }
    this.#log.warn({ ...this.#facts(), version, reason }, 'a data plane could not apply a configuration');
    this.#member?.rejected();
    const whole = this.#whole;
    // What it refuses, it had from a delta and gets whole; what it had whole already, it gets again only as a later version.
    if (whole && whole.timeline === this.#options.publisher.position.timeline && version <= whole.version) return;
    this.#sent = undefined;
    this.#sync();
  }

  #pingLater(): void {
    this.#cancelTimer = this.#options.clock.after(PING_EVERY_MS, () => {
      const { certExpiresAt, clock } = this.#options;
      // A link lasts no longer than what it was opened with; whoever has renewed it opens another at once.
      if (clock.now() > certExpiresAt.getTime()) {
        this.#refuse(
          'certificate_expired',
          `the certificate of this link has expired (${certExpiresAt.toISOString()})`,
        );
        return;
      }
      if (!this.#answered && this.#sending.length > 0) this.#excused = true;
      else if (!this.#answered) {
        this.#log.info(this.#facts(), 'a data plane does not answer; its link is closed');
        return this.#options.socket.terminate();
      }
      this.#answered = false;
      this.#options.socket.ping();
      this.#pingLater();
    });
  }

  #refuse(code: string, reason: string): void {
    if (this.#closing) return;
    this.#options.onRefuse(code);
    this.#log.warn({ ...this.#facts(), code, reason }, 'a cluster link is refused');
    this.#send({ type: 'refuse', code, reason: reason.slice(0, 1000) });
    this.#close(code === 'no_hello' ? NORMAL_CLOSE : POLICY_VIOLATION, code);
  }

  #send(message: ControlPlaneMessage): void {
    const { socket } = this.#options;
    if (socket.readyState === socket.OPEN) socket.send(encodeMessage(message));
  }

  #close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#cancelTimer();
    const { socket, clock } = this.#options;
    socket.close(code, reason);
    this.#cancelTimer = clock.after(CLOSE_WITHIN_MS, () => socket.terminate());
  }

  #end(): void {
    this.#closing = true;
    this.#cancelTimer();
    this.#intake.end();
    this.#unfollow();
    for (const sending of this.#sending.splice(0)) this.#options.slowSends.end(sending);
    this.#leave();
    if (!this.#member) return;
    this.#options.fleet.leave(this.#member, { forget: this.#forgotten });
    this.#log.info(this.#facts(), 'a data plane disconnected');
  }

  /** Its identity is free for another link. */
  #leave(): void {
    if (this.#claim) this.#options.admission.leave(this, this.#claim);
    this.#claim = undefined;
  }

  #facts(): Record<string, unknown> {
    return { node_id: this.#nodeId, ip: this.#options.ip };
  }
}
