import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SOURCES = [
  'shared/*/src/**/*.{ts,mjs}',
  'control-plane/src/**/*.{ts,mjs}',
  'data-plane/{src,client}/**/*.{ts,mjs}',
];
const NAME = /\b(?:AWS|GCE|GCP|GOOGLE|METADATA|NO|OTEL|VAULTPLANE|KONG)_[A-Z0-9_]+\b/g;
/** What the AWS SDK and Node.js read by themselves, besides what our own code names. */
const OF_LIBRARIES = [
  'AWS_EC2_METADATA_SERVICE_ENDPOINT',
  'AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE',
  'AWS_CA_BUNDLE',
  'AWS_DEFAULTS_MODE',
  'AWS_SECRET_ACCESS_KEY',
  'GOOGLE_CLOUD_PROJECT',
  'GOOGLE_CLOUD_QUOTA_PROJECT',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
];

/** The programs' own sources. */
export function sourcesOfPrograms(): Array<{ file: string; text: string }> {
  return SOURCES.flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
    .filter((file) => !/node_modules|\.test\.ts$|\/testing\/|\/manager\/app\//.test(file))
    .map((file) => ({ file, text: readFileSync(join(ROOT, file), 'utf8') }));
}

/**
 * Every environment variable that the programs read besides their settings: all names of that form in their sources, so
 * that one which is added is there.
 */
export function variablesRead(): string[] {
  const found = sourcesOfPrograms().flatMap(({ text }) => text.match(NAME) ?? []);
  return [...new Set([...found, ...OF_LIBRARIES, 'HOME'])].sort();
}
