import type { FetchedSecret } from '@vaultplane/backends/backend.ts';

/** What is known of a fetched version beside its value and its secret's name. */
export interface VersionFacts extends Omit<FetchedSecret, 'value' | 'name'> {
  /** The wall clock's time of the fetch, milliseconds. */
  readonly wallFetchedAt: number;
}

/**
 * Those facts as one flat text: they are kept for every secret that is held and seldom asked for. What AWS says of a
 * current version, in the form that it always has, is 36 characters of one byte each, where it would be four objects and
 * two texts of some 300 bytes; anything else is JSON.
 */
export type PackedFacts = string;

/*
 * AWS's usual form: 0 (no JSON begins so), the place's number, the times (6 bytes each, big end first), the version's
 * UUID (16 bytes), and the six characters that AWS adds to the name in the ARN.
 */
const AWS_LENGTH = 36;
const AT = { place: 1, created: 2, fetched: 8, version: 14, suffix: 30 } as const;
const TIME_BYTES = 6;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const PLACE = /^arn:[\w:-]+$/;
const SUFFIX = /^[A-Za-z0-9]{6}$/;
const CURRENT: readonly string[] = Object.freeze(['AWSCURRENT']);

/** What stands before the names in ARNs: one for each account and region, never forgotten, and so not without bound. */
const places: string[] = [];
const MOST_PLACES = 256;

const bytes = Buffer.alloc(AWS_LENGTH);

export function packFacts(facts: VersionFacts, name: string): PackedFacts {
  const { version, createdAt, arn, wallFetchedAt } = facts;
  return packAws(facts, name) ?? JSON.stringify([version.id, version.stages, createdAt, arn, wallFetchedAt]);
}

/** @param name as it was packed with */
export function unpackFacts(packed: PackedFacts, name: string): VersionFacts {
  if (packed[0] !== '\0') {
    const [id, stages, createdAt, arn, wallFetchedAt] = JSON.parse(packed);
    return { version: { id, stages }, createdAt, arn, wallFetchedAt };
  }
  bytes.write(packed, 'latin1');
  const hex = bytes.toString('hex', AT.version, AT.suffix);
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  return {
    version: { id, stages: CURRENT },
    createdAt: bytes.readUIntBE(AT.created, TIME_BYTES),
    arn: `${places[bytes[AT.place]!]}${name}-${bytes.toString('latin1', AT.suffix)}`,
    wallFetchedAt: bytes.readUIntBE(AT.fetched, TIME_BYTES),
  };
}

/** Null for what is not in AWS's usual form. */
function packAws({ version, createdAt, arn, wallFetchedAt }: VersionFacts, name: string): PackedFacts | null {
  const { id, stages } = version;
  if (id === null || !UUID.test(id) || stages.length !== 1 || stages[0] !== CURRENT[0]) return null;
  if (createdAt === null || !isTime(createdAt) || !isTime(wallFetchedAt) || arn === null) return null;
  const suffix = arn.slice(-6);
  const place = arn.slice(0, -`${name}-${suffix}`.length);
  if (!PLACE.test(place) || !SUFFIX.test(suffix) || arn !== `${place}${name}-${suffix}`) return null;
  const number = numberOf(place);
  if (number === null) return null;
  bytes[0] = 0;
  bytes[AT.place] = number;
  bytes.writeUIntBE(createdAt, AT.created, TIME_BYTES);
  bytes.writeUIntBE(wallFetchedAt, AT.fetched, TIME_BYTES);
  bytes.write(id.replaceAll('-', ''), AT.version, 'hex');
  bytes.write(suffix, AT.suffix, 'latin1');
  return bytes.toString('latin1');
}

function isTime(time: number): boolean {
  return Number.isSafeInteger(time) && time >= 0 && time < 2 ** (8 * TIME_BYTES);
}

function numberOf(place: string): number | null {
  const known = places.indexOf(place);
  if (known >= 0) return known;
  if (places.length === MOST_PLACES) return null;
  // Not a part of the ARN, which would stay with it.
  return places.push(Buffer.from(place, 'latin1').toString('latin1')) - 1;
}
