import { createHash } from 'node:crypto';
import { parse } from 'yaml';
import { read } from './places.ts';
import type { ThirdParty } from './third-party.ts';

/** What a bill of materials is of. */
export interface Subject {
  name: string;
  version: string;
  license: string;
}

/**
 * A software bill of materials: CycloneDX 1.6 as JSON, the same bytes for the same packages.
 *
 * @param parties the packages that are in it, or that come with it
 */
export function billOfMaterials(subject: Subject, parties: readonly Omit<ThirdParty, 'texts'>[]): string {
  const integrity = lockedIntegrity();
  const root = purl(subject.name, subject.version);
  const components = parties.map(({ name, version, license }) => ({
    type: 'library',
    'bom-ref': purl(name, version),
    name,
    version,
    licenses: [{ license: { id: license } }],
    purl: purl(name, version),
    hashes: hashesOf(integrity.get(`${name}@${version}`)),
  }));
  const bom = {
    metadata: {
      component: {
        type: 'application',
        'bom-ref': root,
        name: subject.name,
        version: subject.version,
        licenses: [{ license: { id: subject.license } }],
        purl: root,
      },
    },
    components,
    dependencies: [{ ref: root, dependsOn: components.map((each) => each['bom-ref']) }],
  };
  const head = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(bom))}`,
    version: 1,
  };
  return `${JSON.stringify({ ...head, ...bom }, null, 2)}\n`;
}

/** The SHA-512 of each package's tarball in the lockfile, as `sha512-BASE64`, by NAME@VERSION. */
function lockedIntegrity(): Map<string, string> {
  const { packages } = parse(read('pnpm-lock.yaml')) as {
    packages: Record<string, { resolution: { integrity: string } }>;
  };
  return new Map(Object.entries(packages).map(([id, { resolution }]) => [id, resolution.integrity]));
}

function hashesOf(integrity: string | undefined): Array<{ alg: string; content: string }> {
  const [, base64] = /^sha512-(.+)$/.exec(integrity ?? '') ?? [];
  return base64 === undefined ? [] : [{ alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') }];
}

function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

/** A UUID that is made of a text (RFC 9562 §5.8), so that it is the same for the same contents. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
