import { Packr, Unpackr } from 'msgpackr';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Delta, Snapshot } from './snapshot.ts';
import type { VaultEntity } from './vaults/entity.ts';

/** The cluster link's URL path on the control plane's cluster_listen (CONTRACT.md §8). */
export const CLUSTER_PATH = '/v1/cluster';

/** Versions of the link's protocol that this build speaks, best first. */
export const PROTOCOL_VERSIONS: readonly number[] = [1];

/** A message from a control plane is at most this many bytes: some 100,000 vaults. */
export const MAX_CONTROL_PLANE_MESSAGE_BYTES = 64 * 1024 * 1024;
/** A message from a data plane is at most this many bytes. */
export const MAX_DATA_PLANE_MESSAGE_BYTES = 4 * 1024 * 1024;

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
const Defaults = Type.Object({ vault_aws_region: Type.Optional(text) });
export type ConfigDefaults = Static<typeof Defaults>;

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
/** How this data plane is; sent now and then, and when something changed. Never a value. */
const Report = Type.Object({
  type: Type.Literal('report'),
  references: StateCounts,
  /** Vaults that this data plane could not use, and why. */
  rejected_vaults: Type.Array(Type.Object({ prefix: text, reason: text }), { maxItems: 1000 }),
});
export const DataPlaneMessage = Type.Union([Hello, Ack, Nack, Report]);
export type DataPlaneMessage = Static<typeof DataPlaneMessage>;
export type HelloMessage = Static<typeof Hello>;
export type ReportMessage = Static<typeof Report>;

// ---- from the control plane ----

/** The answer to a hello; a snapshot or a delta follows where the data plane is not at `config` yet. */
const Welcome = Type.Object({
  type: Type.Literal('welcome'),
  protocol: Type.Integer(),
  control_plane_id: Uuid,
  program_version: text,
  config: Position,
  defaults: Defaults,
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
export const ControlPlaneMessage = Type.Union([Welcome, SnapshotOf, DeltaOf, Refuse]);
export type ControlPlaneMessage = Static<typeof ControlPlaneMessage>;
export type WelcomeMessage = Static<typeof Welcome>;

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

const checkers = { data_plane: Compile(DataPlaneMessage), control_plane: Compile(ControlPlaneMessage) };

/** @throws ProtocolError */
export function decodeDataPlaneMessage(bytes: Uint8Array): DataPlaneMessage {
  return decode('data_plane', bytes) as DataPlaneMessage;
}

/** @throws ProtocolError */
export function decodeControlPlaneMessage(bytes: Uint8Array): ControlPlaneMessage {
  return decode('control_plane', bytes) as ControlPlaneMessage;
}

function decode(sender: keyof typeof checkers, bytes: Uint8Array): unknown {
  let message: unknown;
  try {
    message = unpackr.unpack(bytes);
  } catch {
    throw new ProtocolError('a message is not MessagePack');
  }
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
