import { promisify } from 'node:util';
import { zstdCompress, zstdDecompressSync } from 'node:zlib';
import { Packr, Unpackr } from 'msgpackr';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Delta, Snapshot } from './snapshot.ts';
import type { VaultEntity } from './vaults/entity.ts';
import { FLEET_DEFAULT_KEYS, type VaultSettingKey } from './vaults/vault-settings.ts';

/** The cluster link's URL path on the control plane's cluster_listen (CONTRACT.md §8). */
export const CLUSTER_PATH = '/v1/cluster';

/** Versions of the link's protocol that this build speaks, best first. */
export const PROTOCOL_VERSIONS: readonly number[] = [1];

/** A message from a control plane is at most this many bytes: some 100,000 vaults. */
export const MAX_CONTROL_PLANE_MESSAGE_BYTES = 64 * 1024 * 1024;
/** A message from a data plane is at most this many bytes. */
export const MAX_DATA_PLANE_MESSAGE_BYTES = 4 * 1024 * 1024;

/**
 * What either side may send only to a peer that says in its hello or welcome that it accepts it: so a release can add
 * messages, and the one before it and the one after it still understand each other without another protocol version.
 */
export const DATA_PLANE_ACCEPTS: readonly string[] = ['command', 'compressed'];
export const CONTROL_PLANE_ACCEPTS: readonly string[] = ['references', 'command_result'];

/** References that a data plane tells of; what it holds beyond that is only counted. */
export const MOST_REFERENCES = 100_000;
/** Entries of one `references` message. */
export const MOST_REFERENCES_A_MESSAGE = 1000;
/** A message of fewer bytes than this is not worth compressing. */
const COMPRESS_FROM_BYTES = 8 * 1024;

const text = Type.String({ maxLength: 1024 });
const Uuid = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' });
const Version = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Position = Type.Object({ timeline: Uuid, version: Version, hash: Hash });

// A vault of a type that this build does not know passes: whoever applies the snapshot reports it and applies the rest.
const Vault = Type.Object({
  id: Uuid,
  prefix: Type.String({ maxLength: 256 }),
  name: Type.String({ maxLength: 64 }),
  description: Type.Union([Type.String(), Type.Null()]),
  config: Type.Record(Type.String(), Type.Any()),
  tags: Type.Union([Type.Array(Type.String()), Type.Null()]),
  created_at: Type.Integer(),
  updated_at: Type.Integer(),
});

/** Settings of the control plane that its data planes use where they have none of their own (CONTRACT.md §2). */
const Defaults = Type.Object(Object.fromEntries(FLEET_DEFAULT_KEYS.map((key) => [key, Type.Optional(text)])));
export type ConfigDefaults = { [key: VaultSettingKey]: string | undefined };

/** Message types and forms that a peer accepts beyond those of the first release of this protocol. */
const Accepts = Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 }));
const UnixSeconds = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

// ---- from the data plane ----

/** The first message of a link. `config` is what the data plane has, null where it has nothing yet. */
const Hello = Type.Object({
  type: Type.Literal('hello'),
  protocols: Type.Array(Type.Integer(), { maxItems: 64 }),
  node_id: Uuid,
  hostname: text,
  program_version: text,
  config: Type.Union([Position, Type.Null()]),
  labels: Type.Record(Type.String(), Type.String()),
  accepts: Accepts,
});
/** The configuration of this position is applied and in use. */
const Ack = Type.Object({ type: Type.Literal('ack'), ...Position.properties });
/** What was sent could not be applied; `position` is what is in use instead. The control plane answers with the whole snapshot. */
const Nack = Type.Object({
  type: Type.Literal('nack'),
  version: Version,
  reason: text,
  position: Type.Union([Position, Type.Null()]),
});
const StateCounts = Type.Object({
  fresh: Version,
  stale: Version,
  resurrected: Version,
  negative: Version,
});
export type StateCounts = Static<typeof StateCounts>;
/** How this data plane is; sent now and then, and when something changed. Never a value. */
const Report = Type.Object({
  type: Type.Literal('report'),
  references: StateCounts,
  /** Vaults that this data plane could not use, and why. */
  rejected_vaults: Type.Array(Type.Object({ prefix: text, reason: text }), { maxItems: 1000 }),
  /** The same counts for each vault that anything is held of. */
  vaults: Type.Optional(Type.Array(Type.Object({ prefix: text, ...StateCounts.properties }), { maxItems: 1000 })),
  /** Of the certificate that this data plane will show next: it may have been renewed under a link that lasts. */
  cert_expires_at: Type.Optional(Type.Union([UnixSeconds, Type.Null()])),
});

/** In the order of their numbers on the link. */
export const REFERENCE_STATES = ['fresh', 'stale', 'resurrected', 'negative'] as const;
export type ReferenceState = (typeof REFERENCE_STATES)[number];
/** A number that the data plane gives a reference, for this link; free again once it is `gone`. */
const ReferenceNumber = Type.Integer({ minimum: 0, maximum: MOST_REFERENCES - 1 });
const NamedReference = Type.Tuple([ReferenceNumber, Type.String({ maxLength: 256 }), Type.String({ maxLength: 8192 })]);
const HeldReference = Type.Tuple([
  ReferenceNumber,
  Type.Integer({ minimum: 0, maximum: REFERENCE_STATES.length - 1 }),
  Type.Union([Type.String({ maxLength: 256 }), Type.Null()]),
  Type.Union([UnixSeconds, Type.Null()]),
]);
/**
 * What has changed of what this data plane holds, secret by secret; the first of a link begin with nothing. Never a
 * value, nor anything made of one. What a message does not name is as it was told last.
 */
const References = Type.Object({
  type: Type.Literal('references'),
  /** Numbers, and the vault's prefix and the whole secret's reference that they stand for from now on. */
  names: Type.Array(NamedReference, { maxItems: MOST_REFERENCES_A_MESSAGE }),
  /** Number, state, version id (null: it has none, or nothing is held), time of its fetch (null: nothing is held). */
  held: Type.Array(HeldReference, { maxItems: MOST_REFERENCES_A_MESSAGE }),
  gone: Type.Array(ReferenceNumber, { maxItems: MOST_REFERENCES_A_MESSAGE }),
  /** With this message everything has been told. */
  complete: Type.Boolean(),
});
/** What became of a command. */
const CommandResult = Type.Object({
  type: Type.Literal('command_result'),
  id: Uuid,
  status: Type.Union([Type.Literal('done'), Type.Literal('refused')]),
  /** Why it was refused. */
  reason: Type.Optional(text),
  /** Secrets that were asked for anew, those that came, those of them that have another version now, and the rest. */
  asked: Version,
  refreshed: Version,
  changed: Version,
  failed: Version,
});
export const DataPlaneMessage = Type.Union([Hello, Ack, Nack, Report, References, CommandResult]);
export type DataPlaneMessage = Static<typeof DataPlaneMessage>;
export type HelloMessage = Static<typeof Hello>;
export type ReportMessage = Static<typeof Report>;
export type ReferencesMessage = Static<typeof References>;
export type CommandResultMessage = Static<typeof CommandResult>;

// ---- from the control plane ----

/** The answer to a hello; a snapshot or a delta follows where the data plane is not at `config` yet. */
const Welcome = Type.Object({
  type: Type.Literal('welcome'),
  protocol: Type.Integer(),
  control_plane_id: Uuid,
  program_version: text,
  config: Position,
  defaults: Defaults,
  accepts: Accepts,
});
const SnapshotOf = Type.Object({ type: Type.Literal('snapshot'), ...Position.properties, vaults: Type.Array(Vault) });
const DeltaOf = Type.Object({
  type: Type.Literal('delta'),
  timeline: Uuid,
  from: Version,
  fromHash: Hash,
  to: Version,
  hash: Hash,
  upserts: Type.Array(Vault),
  deletes: Type.Array(Uuid),
});
/** The last message before the control plane closes the link. */
const Refuse = Type.Object({ type: Type.Literal('refuse'), code: text, reason: text });
/** What the data plane is to do now, beside what it does anyway; it answers with a command_result. */
const Command = Type.Object({
  type: Type.Literal('command'),
  id: Uuid,
  /** `refresh`: fetch anew what is held of a vault. A data plane refuses a command that it does not know. */
  command: Type.String({ maxLength: 64 }),
  vault: Type.String({ maxLength: 256 }),
  /** Only secrets of these names; absent: all. */
  paths: Type.Optional(Type.Array(Type.String({ maxLength: 4096 }), { maxItems: 16 })),
  /** The calls are spread over this long, so that a fleet does not ask in step. */
  spread_ms: Type.Integer({ minimum: 0, maximum: 600_000 }),
});
/** Another message, compressed: read as if that one had come. */
const Compressed = Type.Object({
  type: Type.Literal('compressed'),
  encoding: Type.Literal('zstd'),
  message: Type.Refine(Type.Unsafe<Uint8Array>({}), (value) => value instanceof Uint8Array),
});
export const ControlPlaneMessage = Type.Union([Welcome, SnapshotOf, DeltaOf, Refuse, Command]);
export type ControlPlaneMessage = Static<typeof ControlPlaneMessage>;
export type WelcomeMessage = Static<typeof Welcome>;
export type CommandMessage = Static<typeof Command>;

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

const compress = promisify(zstdCompress);

export function snapshotMessage(snapshot: Snapshot): ControlPlaneMessage {
  return { type: 'snapshot', ...snapshot, vaults: [...snapshot.vaults] };
}

export function deltaMessage(delta: Delta): ControlPlaneMessage {
  return { type: 'delta', ...delta, upserts: [...delta.upserts], deletes: [...delta.deletes] };
}

/** The vaults of a message that has passed its schema are entities as far as the link is concerned. */
export function vaultsOf(vaults: Static<typeof Vault>[]): VaultEntity[] {
  return vaults as VaultEntity[];
}

const checkers = {
  data_plane: Compile(DataPlaneMessage),
  control_plane: Compile(ControlPlaneMessage),
  compressed: Compile(Compressed),
};

/** @throws ProtocolError */
export function decodeDataPlaneMessage(bytes: Uint8Array): DataPlaneMessage {
  return decode('data_plane', bytes) as DataPlaneMessage;
}

/** @throws ProtocolError */
export function decodeControlPlaneMessage(bytes: Uint8Array): ControlPlaneMessage {
  return decode('control_plane', bytes) as ControlPlaneMessage;
}

/** @throws ProtocolError also where the message inside is larger than one outside may be */
function decompress(envelope: Static<typeof Compressed>): Uint8Array {
  try {
    return zstdDecompressSync(envelope.message, { maxOutputLength: MAX_CONTROL_PLANE_MESSAGE_BYTES });
  } catch {
    throw new ProtocolError('a compressed message is broken, or too large');
  }
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return unpackr.unpack(bytes);
  } catch {
    throw new ProtocolError('a message is not MessagePack');
  }
}

function decode(sender: 'data_plane' | 'control_plane', bytes: Uint8Array): unknown {
  let message = unpack(bytes);
  if (sender === 'control_plane' && checkers.compressed.Check(message)) message = unpack(decompress(message));
  if (!checkers[sender].Check(message)) {
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
