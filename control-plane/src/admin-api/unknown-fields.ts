import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { invalidOptions } from './kong-error.ts';

/** What is said of a member of a body that there is not. */
export function unknownField(name: string, known: readonly string[]): string {
  return `unknown field${nearest(name, known)}`;
}

/** @throws KongError that names each */
export function refuseUnknownFields(unknown: object, known: readonly string[]): void {
  const names = Object.keys(unknown).slice(0, 10);
  if (names.length === 0) return;
  throw invalidOptions(Object.fromEntries(names.map((name) => [name, unknownField(name, known)])));
}
