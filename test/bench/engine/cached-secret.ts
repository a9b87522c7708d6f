/** The name of one of many secrets. */
export function cachedSecretName(index: number): string {
  return `app/secret-${index}`;
}

/** What member `password` of it holds, anew with each generation: as long as such values are. */
export function cachedSecretValue(index: number, generation = 1): string {
  return `generation-${generation}-of-${index}-${'x'.repeat(40)}`;
}
