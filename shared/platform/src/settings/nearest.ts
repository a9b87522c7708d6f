import { distance } from 'fastest-levenshtein';

/** The known name that somebody may have meant; undefined where none is near. */
export function nearestName(word: string, known: Iterable<string>): string | undefined {
  const [nearest] = [...known]
    .map((candidate) => ({ candidate, distance: distance(word, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  return nearest && nearest.distance <= Math.max(2, word.length / 4) ? nearest.candidate : undefined;
}

/** The end of an error about an unknown name: `; did you mean NAME?`, or nothing. */
export function nearest(word: string, known: Iterable<string>): string {
  const name = nearestName(word, known);
  return name === undefined ? '' : `; did you mean ${name}?`;
}
