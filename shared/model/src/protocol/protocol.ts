import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import type { Delta, Snapshot } from '../snapshots/snapshot.ts';
import type { VaultEntity } from '../vaults/entity.ts';
import { FLEET_DEFAULT_KEYS, type VaultSettingKey } from '../vaults/vault-settings.ts';
import {
  anything,
  boolean,
  byType,
  bytes as byteString,
  exactly,
  integer,
  listOf,
  mapOf,
  type Of,
  object,
  optional,
  orNull,
  text,
  textLike,
  tuple,
} from './message-form.ts';
import { messagePackProblem } from './message-pack.ts';

/** The cluster link's URL path on the control plane's cluster_listen (specification.md §8). */
export const CLUSTER_PATH = '/v1/cluster';

/** Versions of the link's protocol that this build speaks, best first. */
export const PROTOCOL_VERSIONS: readonly number[] = [1];

/** A message from a control plane is at most this many bytes: some 100,000 vaults. */
export const MAX_CONTROL_PLANE_MESSAGE_BYTES = 64 * 1024 * 1024;
/** A message from a data plane is at most this many bytes: 1000 names of references of 1000 bytes each. */
export const MAX_DATA_PLANE_MESSAGE_BYTES = 1024 * 1024;
/** A hello is at most this many bytes. Nothing else may come before the welcome. */
export const MAX_HELLO_BYTES = 32 * 1024;
/** Lists, maps, names and items of a message from a data plane: enough for 1000 references that are all new, or gone. */
const MAX_DATA_PLANE_VALUES = 50_000;
/** A configuration has no such depth: the Admin API takes less. */
const MAX_DEPTH = 64;
const MAX_LABELS = 64;

/**
 * What either side may send only to a peer that says in its hello or welcome that it accepts it: so a release can add
 * messages, and the one before it and the one after it still understand each other without another protocol version.
 */
export const DATA_PLANE_ACCEPTS: readonly string[] = ['command', 'compressed', 'proof'];
export const CONTROL_PLANE_ACCEPTS: readonly string[] = ['references', 'command_result'];

/** What a control plane that is the CA accepts too: `renew`. */
export const AUTHORITY_ACCEPTS: readonly string[] = ['renew'];

/** References that a data plane tells of; what it holds beyond that is only counted. */
export const MOST_REFERENCES = 100_000;
/** Entries of one `references` message. */
export const MOST_REFERENCES_A_MESSAGE = 1000;
/** UTF-16 units of a reference; a longer one is not told of. */
export const MAX_REFERENCE_CHARACTERS = 8192;
/** A message of fewer bytes than this is not worth compressing. */
const COMPRESS_FROM_BYTES = 8 * 1024;

/** Characters of a text in a report. */
export const MAX_SHORT_TEXT = 1024;
/** Characters of the grants that one vault lacks. */
export const MAX_GRANT_TEXT = 4096;
/** Vaults that a report may tell of as not used. */
export const MAX_REJECTED_VAULTS = 1000;

const shortText = text(MAX_SHORT_TEXT);
const Uuid = textLike(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const Version = integer(0, Number.MAX_SAFE_INTEGER);
const Hash = textLike(/^[0-9a-f]{64}$/);
const position = { timeline: Uuid, version: Version, hash: Hash };
const Position = object(position);

// A vault of a type that this build does not know passes: whoever applies the snapshot reports it and applies the rest.
const Vault = object({
  id: Uuid,
  prefix: text(256),
  name: text(64),
  description: orNull(text()),
  config: mapOf(anything),
  tags: orNull(listOf(text())),
  created_at: integer(),
  updated_at: integer(),
});

/** Settings of the control plane that its data planes use where they have none of their own (specification.md §2). */
const Defaults = object(Object.fromEntries(FLEET_DEFAULT_KEYS.map((key) => [key, optional(shortText)])));
export type ConfigDefaults = { [key: VaultSettingKey]: string | undefined };

/** Message types and forms that a peer accepts beyond those of the first release of this protocol. */
const Accepts = optional(listOf(text(64), 64));
/** Up to the end of the year 9999, as X.509 has it (RFC 5280 §4.1.2.5), and what any database takes. */
const UnixSeconds = integer(0, 253_402_300_799);

// ---- from the data plane ----

/** The first message of a link. `config` is what the data plane has, null where it has nothing yet. */
const Hello = object({
  type: exactly('hello'),
  protocols: listOf(integer(), 64),
  node_id: Uuid,
  hostname: shortText,
  program_version: shortText,
  config: orNull(Position),
  labels: mapOf(text(256), { maxMembers: MAX_LABELS, maxName: 128 }),
  accepts: Accepts,
});
/** The configuration of this position is applied and in use. */
const Ack = object({ type: exactly('ack'), ...position });
/** What was sent could not be applied; `position` is what is in use instead. The control plane answers with the whole snapshot. */
const Nack = object({
  type: exactly('nack'),
  version: Version,
  reason: shortText,
  position: orNull(Position),
});
const stateCounts = {
  fresh: Version,
  stale: Version,
  resurrected: Version,
  negative: Version,
};
const StateCounts = object(stateCounts);
export type StateCounts = Of<typeof StateCounts>;
/** How this data plane is; sent now and then, and when something changed. Never a value. */
const Report = object({
  type: exactly('report'),
  references: StateCounts,
  /** Vaults that this data plane does not use, why, and the JSON of what its upstream_policy would have to grant. */
  rejected_vaults: listOf(
    object({ prefix: shortText, reason: shortText, grant: optional(text(MAX_GRANT_TEXT)) }),
    MAX_REJECTED_VAULTS,
  ),
  /** The same counts for each vault that anything is held of. */
  vaults: optional(listOf(object({ prefix: shortText, ...stateCounts }), 1000)),
  /** Of the certificate that this data plane will show next: it may have been renewed under a link that lasts. */
  cert_expires_at: optional(orNull(UnixSeconds)),
});

/** In the order of their numbers on the link. */
export const REFERENCE_STATES = ['fresh', 'stale', 'resurrected', 'negative'] as const;
export type ReferenceState = (typeof REFERENCE_STATES)[number];
/** A number that the data plane gives a reference, for this link; free again once it is `gone`. */
const ReferenceNumber = integer(0, MOST_REFERENCES - 1);
const NamedReference = tuple(ReferenceNumber, text(256), text(MAX_REFERENCE_CHARACTERS));
const HeldReference = tuple(
  ReferenceNumber,
  integer(0, REFERENCE_STATES.length - 1),
  orNull(text(256)),
  orNull(UnixSeconds),
);
/**
 * What has changed of what this data plane holds, secret by secret; the first of a link begin with nothing. Never a
 * value, nor anything made of one. What a message does not name is as it was told last.
 */
const References = object({
  type: exactly('references'),
  /** Numbers, and the vault's prefix and the whole secret's reference that they stand for from now on. */
  names: listOf(NamedReference, MOST_REFERENCES_A_MESSAGE),
  /** Number, state, version id (null: it has none, or nothing is held), time of its fetch (null: nothing is held). */
  held: listOf(HeldReference, MOST_REFERENCES_A_MESSAGE),
  gone: listOf(ReferenceNumber, MOST_REFERENCES_A_MESSAGE),
  /** With this message everything has been told. */
  complete: boolean,
});
/** What became of a command. */
const CommandResult = object({
  type: exactly('command_result'),
  id: Uuid,
  status: exactly('done', 'refused'),
  /** Why it was refused. */
  reason: optional(shortText),
  /** Secrets that were asked for anew, those that came, those of them that have another version now, and the rest. */
  asked: Version,
  refreshed: Version,
  changed: Version,
  failed: Version,
});
/** A request for another certificate in place of the one that this link was opened with (PKCS #10, DER). */
const Renew = object({ type: exactly('renew'), csr: byteString });
export const DataPlaneMessage = byType({
  hello: Hello,
  ack: Ack,
  nack: Nack,
  report: Report,
  references: References,
  command_result: CommandResult,
  renew: Renew,
});
export type DataPlaneMessage = Of<typeof DataPlaneMessage>;
export type HelloMessage = Of<typeof Hello>;
export type ReportMessage = Of<typeof Report>;
export type ReferencesMessage = Of<typeof References>;
export type CommandResultMessage = Of<typeof CommandResult>;

// ---- from the control plane ----

/** That the control plane has the export key, for this TLS session alone (control-plane-proof.ts). */
const Proof = object({ public_key: byteString, signature: byteString });
/** The answer to a hello; a snapshot or a delta follows where the data plane is not at `config` yet. */
const Welcome = object({
  type: exactly('welcome'),
  protocol: integer(),
  control_plane_id: Uuid,
  program_version: shortText,
  config: Position,
  defaults: Defaults,
  accepts: Accepts,
  /** Only to a data plane that accepts `proof`, from a control plane that has an export key. */
  proof: optional(Proof),
});
const SnapshotOf = object({ type: exactly('snapshot'), ...position, vaults: listOf(Vault) });
const DeltaOf = object({
  type: exactly('delta'),
  timeline: Uuid,
  from: Version,
  fromHash: Hash,
  to: Version,
  hash: Hash,
  upserts: listOf(Vault),
  deletes: listOf(Uuid),
});
/** The last message before the control plane closes the link. */
const Refuse = object({ type: exactly('refuse'), code: shortText, reason: shortText });
/** What the data plane is to do now, beside what it does anyway; it answers with a command_result. */
const Command = object({
  type: exactly('command'),
  id: Uuid,
  /** `refresh`: fetch anew what is held of a vault. A data plane refuses a command that it does not know. */
  command: text(64),
  vault: text(256),
  /** Only secrets of these names; absent: all. */
  paths: optional(listOf(text(4096), 16)),
  /** The calls are spread over this long, so that a fleet does not ask in step. */
  spread_ms: integer(0, 600_000),
  /** The request to the Admin API by which it was given; for the log. */
  request_id: optional(text(128)),
});
/** The answer to a `renew`. */
const Renewed = object({
  type: exactly('renewed'),
  /** PEM; null: there is none, for the reason given. */
  certificate: orNull(text(64 * 1024)),
  reason: optional(shortText),
});
/** Another message, compressed: read as if that one had come. */
const Compressed = object({
  type: exactly('compressed'),
  encoding: exactly('zstd'),
  message: byteString,
});
export const ControlPlaneMessage = byType({
  welcome: Welcome,
  snapshot: SnapshotOf,
  delta: DeltaOf,
  refuse: Refuse,
  command: Command,
  renewed: Renewed,
});
export type ControlPlaneMessage = Of<typeof ControlPlaneMessage>;
export type WelcomeMessage = Of<typeof Welcome>;
export type CommandMessage = Of<typeof Command>;
export type RenewedMessage = Of<typeof Renewed>;

/** A message that is not one of the protocol's. It closes the link that it came by, and harms nothing else. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

// No msgpackr extension but plain MessagePack goes over the link, so that any other implementation could read it.
const packr = new Packr({ useRecords: false, mapsAsObjects: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export function encodeMessage(message: DataPlaneMessage | ControlPlaneMessage): Buffer {
  return packr.pack(message);
}

/** A message for any number of peers: its bytes, and those for peers that accept `compressed`, where it is worth it. */
export interface EncodedMessage {
  bytes: Buffer;
  compressed: Buffer | undefined;
}

/** Encodes once what many are to get. The compression is off the event loop. */
export async function encodeForMany(message: ControlPlaneMessage): Promise<EncodedMessage> {
  const bytes = encodeMessage(message);
  if (bytes.length < COMPRESS_FROM_BYTES) return { bytes, compressed: undefined };
  const envelope = { type: 'compressed', encoding: 'zstd', message: await compress(bytes) };
  return { bytes, compressed: packr.pack(envelope) };
}

/** Loaded when it is first needed: most messages are small. */
const zlib = () => process.getBuiltinModule('node:zlib');

function compress(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    zlib().zstdCompress(bytes, (error, compressed) => (error ? reject(error) : resolve(compressed)));
  });
}

export function snapshotMessage(snapshot: Snapshot): ControlPlaneMessage {
  return { type: 'snapshot', ...snapshot, vaults: [...snapshot.vaults] };
}

export function deltaMessage(delta: Delta): ControlPlaneMessage {
  return { type: 'delta', ...delta, upserts: [...delta.upserts], deletes: [...delta.deletes] };
}

/** The vaults of a message that has passed its schema are entities as far as the link is concerned. */
export function vaultsOf(vaults: Of<typeof Vault>[]): VaultEntity[] {
  return vaults as VaultEntity[];
}

const forms = { data_plane: DataPlaneMessage, control_plane: ControlPlaneMessage };

/** @throws ProtocolError */
export function decodeDataPlaneMessage(bytes: Uint8Array): DataPlaneMessage {
  return decode('data_plane', bytes) as DataPlaneMessage;
}

/** @throws ProtocolError */
export function decodeControlPlaneMessage(bytes: Uint8Array): ControlPlaneMessage {
  return decode('control_plane', bytes) as ControlPlaneMessage;
}

/** @throws ProtocolError also where the message inside is larger than one outside may be */
function decompress(envelope: Of<typeof Compressed>): Uint8Array {
  try {
    return zlib().zstdDecompressSync(envelope.message, { maxOutputLength: MAX_CONTROL_PLANE_MESSAGE_BYTES });
  } catch {
    throw new ProtocolError('a compressed message is broken, or too large');
  }
}

/** @param maxValues see MessagePackLimits */
function unpack(bytes: Uint8Array, maxValues = Infinity): unknown {
  const problem = messagePackProblem(bytes, { maxValues, maxDepth: MAX_DEPTH });
  if (problem !== undefined) throw new ProtocolError(`a message is not plain MessagePack: ${problem}`);
  try {
    return unpackr.unpack(bytes);
  } catch {
    throw new ProtocolError('a message is not MessagePack');
  }
}

function decode(sender: 'data_plane' | 'control_plane', bytes: Uint8Array): unknown {
  let message = unpack(bytes, sender === 'data_plane' ? MAX_DATA_PLANE_VALUES : Infinity);
  if (sender === 'control_plane' && Compressed(message)) message = unpack(decompress(message));
  if (!forms[sender](message)) {
    const type = (message as { type?: unknown } | null)?.type;
    const named = typeof type === 'string' ? JSON.stringify(type.slice(0, 40)) : 'without a type';
    throw new ProtocolError(
      `a message ${named} has not the form that protocol ${PROTOCOL_VERSIONS.join(', ')} gives it`,
    );
  }
  return message;
}

/** The best protocol version that both sides speak; undefined where there is none. */
export function chooseProtocol(theirs: readonly number[]): number | undefined {
  return PROTOCOL_VERSIONS.find((version) => theirs.includes(version));
}
